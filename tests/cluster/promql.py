"""Just enough of PromQL to know which metrics an expression names, and by which labels it asks for each."""

import re
from dataclasses import dataclass

__all__ = ["Selector", "selectors"]

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<range>\[[^\]]*\])
    |(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?(?:ms|[smhdwy])?)|(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)
    |(?P<symbol>=~|!~|!=|==|>=|<=|[-+*/%^(){},=<>@])""",
    re.VERBOSE,
)
_GROUPED = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan", *_GROUPED}
_FUNCTIONS = {
    "sum", "min", "max", "avg", "count", "topk", "bottomk", "quantile", "stddev", "rate", "irate", "increase", "delta",
    "histogram_quantile", "time", "absent", "clamp_min", "clamp_max", "abs", "label_values", "vector", "scalar",
    "max_over_time", "min_over_time", "avg_over_time", "changes",
}  # fmt: skip


@dataclass(frozen=True)
class Selector:
    """A metric that is asked for, with the labels that its matchers and the grouping around it name."""

    name: str
    labels: frozenset[str]


def selectors(expression: str) -> tuple[Selector, ...]:
    """Return what an expression asks for.

    Raises:
        ValueError: it is no PromQL: an unknown function, brackets that do not close, characters that mean nothing.
    """
    tokens = _tokens(expression)
    found: list[tuple[str, set[str], int]] = []
    grouped: list[tuple[int, set[str]]] = []
    depth = at = 0
    while at < len(tokens):
        kind, word = tokens[at]
        if kind == "symbol" and word in "({":
            depth += 1
        elif kind == "symbol" and word in ")}":
            depth -= 1
            if depth < 0:
                raise ValueError(f"{expression}: a bracket closes that was never opened")
        elif kind == "name" and word in _GROUPED:
            labels, at = _list(tokens, at + 1, expression)
            grouped.append((depth, labels))
            continue
        elif kind == "name" and word.lower() not in _WORDS:
            call = at + 1 < len(tokens) and tokens[at + 1][1] in ("(", "by", "without")
            if call and word not in _FUNCTIONS:
                raise ValueError(f"{expression}: there is no function {word}")
            if not call:
                labels, at = _matchers(tokens, at + 1, expression)
                found.append((word, labels, depth))
                continue
        at += 1
    if depth:
        raise ValueError(f"{expression}: a bracket does not close")
    inner = {label for _, labels in grouped for label in labels}
    return tuple(Selector(name, frozenset(labels | inner)) for name, labels, _ in found)


def _tokens(expression: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(expression):
        match = _TOKEN.match(expression, at)
        if match is None:
            raise ValueError(f"{expression}: what is {expression[at : at + 10]!r}?")
        if match.lastgroup != "space":
            found.append((str(match.lastgroup), match[0]))
        at = match.end()
    return found


def _list(tokens: list[tuple[str, str]], at: int, expression: str) -> tuple[set[str], int]:
    """Return the labels in brackets from `at`, and where they end."""
    if at >= len(tokens) or tokens[at][1] != "(":
        raise ValueError(f"{expression}: labels are missing")
    labels = set()
    while tokens[at][1] != ")":
        if tokens[at][0] == "name":
            labels.add(tokens[at][1])
        at += 1
    return labels, at + 1


def _matchers(tokens: list[tuple[str, str]], at: int, expression: str) -> tuple[set[str], int]:
    """Return the labels of the matchers from `at`, when there are any, and where they end."""
    if at >= len(tokens) or tokens[at][1] != "{":
        return set(), at
    labels, at = set(), at + 1
    while tokens[at][1] != "}":
        (kind, word), (_, sign), (value, _) = tokens[at], tokens[at + 1], tokens[at + 2]
        if kind != "name" or sign not in ("=", "!=", "=~", "!~") or value != "text":
            raise ValueError(f"{expression}: {word} {sign} is no matcher")
        labels.add(word)
        at += 3
        if tokens[at][1] == ",":
            at += 1
    return labels, at + 1
