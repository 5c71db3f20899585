"""Which tests with real processes strike which fault: by their names, `test_f17_...` or `test_f1_to_f4_...`."""

import ast
import re
from pathlib import Path

__all__ = ["faults_of", "process_tests"]

_FOLDER = "tests/chaos"


def process_tests(root: Path) -> dict[str, tuple[str, ...]]:
    """Return the pytest ids of tests/chaos by fault number, in the order of files and lines."""
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted((root / _FOLDER).glob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                for fault in faults_of(node.name):
                    found[fault] = (*found.get(fault, ()), f"{_FOLDER}/{path.name}::{node.name}")
    return found


def faults_of(name: str) -> tuple[str, ...]:
    """Return the faults that a test's name begins with: F1 to F4 of `test_f1_to_f4_...`, F5 and F6 of `test_f5_f6_...`.

    A letter behind the number (F7b) names a variety of the fault.
    """
    match = re.match(r"test((?:_(?:to_)?f\d+[a-z]?)+)(?:_|$)", name)
    if match is None:
        return ()
    numbers: list[int] = []
    for to, text in re.findall(r"_(to_)?f(\d+)", match[1]):
        numbers += range(numbers[-1] + 1 if to else int(text), int(text) + 1)
    return tuple(f"F{number}" for number in numbers)
