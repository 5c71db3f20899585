"""Which versions of the registry decide: a rule over its rows alone, for whoever serves them and whoever only tells."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from huracan.errors import UsageError
from huracan.memory.registry import Model

__all__ = ["Selection", "ServingMode", "select"]

ServingMode = Literal["paper", "live"]


@dataclass(frozen=True, slots=True)
class Selection:
    """What the registry wants served.

    Attributes:
        served: at most one a scope, sorted by scope.
        shadows: versions in stage `shadow` that are not served: they get the same states and trade beside, in shadow.
    """

    served: tuple[Model, ...]
    shadows: tuple[Model, ...]


def select(models: Sequence[Model], mode: ServingMode, wanted: Sequence[str] = ()) -> Selection:
    """Return which versions decide.

    Of each scope the champion; on paper, where a scope has none, its newest version in stage `shadow`, else its newest
    candidate. Named versions take the place of all that on paper; live trading serves champions alone.

    Args:
        models: the registry's versions.
        mode: "paper" or "live".
        wanted: names to serve on paper; none: as above.

    Raises:
        UsageError: a name is not in the registry or retired, two are of one scope, or names are given for live trading.
    """
    newest = sorted(models, key=lambda model: model.model_id, reverse=True)
    if wanted:
        served = _named(newest, mode, wanted)
    else:
        stages = ("champion",) if mode == "live" else ("champion", "shadow", "candidate")
        served = {}
        for stage in stages:
            for model in newest:
                if model.stage == stage:
                    served.setdefault(model.scope, model)
    names = {model.version for model in served.values()}
    shadows = tuple(model for model in newest if model.stage == "shadow" and model.version not in names)
    return Selection(tuple(served[scope] for scope in sorted(served)), shadows)


def _named(newest: Sequence[Model], mode: ServingMode, wanted: Sequence[str]) -> dict[str, Model]:
    if mode == "live":
        raise UsageError("serve.versions names versions, and live trading serves champions alone; promote one")
    known = {model.version: model for model in newest}
    served: dict[str, Model] = {}
    for name in dict.fromkeys(wanted):
        if name not in known or known[name].stage == "retired":
            what = "is retired" if name in known else "is not in the registry"
            raise UsageError(f"serve.versions: {name} {what}; `huracan models ls` lists what there is")
        model = known[name]
        if model.scope in served:
            raise UsageError(
                f"serve.versions: {served[model.scope].version} and {name} both decide on {model.scope}; name one"
            )
        served[model.scope] = model
    return served
