"""The registry says who decides: champions before shadows before candidates."""

from collections.abc import Sequence

import pytest

from huracan.errors import UsageError
from huracan.memory.registry import Model
from huracan.signals.selection import select
from tests.signals.serving import model


def names(models: Sequence[Model]) -> list[str]:
    """Return the names of versions."""
    return [one.version for one in models]


def test_of_each_scope_the_champion_decides_else_on_paper_the_newest_shadow_else_the_newest_candidate() -> None:
    """A scope without a champion is not traded live; retired versions never decide."""
    registry = [
        model(1, "champion"),
        model(2, "shadow"),
        model(3, "candidate"),
        model(4, "shadow", "ADA/USDT"),
        model(5, "shadow", "ADA/USDT"),
        model(6, "candidate", "ADA/USDT"),
        model(7, "candidate", "FET/USDT"),
        model(8, "candidate", "FET/USDT"),
        model(9, "retired", "FET/USDT"),
    ]
    paper = select(registry, "paper")
    assert names(paper.served) == ["v1", "v5", "v8"]
    assert names(paper.shadows) == ["v4", "v2"]
    live = select(registry, "live")
    assert names(live.served) == ["v1"]
    assert names(live.shadows) == ["v5", "v4", "v2"]
    assert select([], "paper").served == ()


def test_named_versions_decide_instead_on_paper_and_never_live() -> None:
    """Whoever names versions means these; unknown, retired, two of a scope and live trading are refused."""
    registry = [model(1, "champion"), model(2, "candidate"), model(3, "candidate", "ADA/USDT"), model(4, "retired")]
    found = select(registry, "paper", ("v2", "v3", "v2"))
    assert names(found.served) == ["v2", "v3"]
    for wanted, why in ((("v9",), "not in the registry"), (("v4",), "retired"), (("v1", "v2"), "both decide")):
        with pytest.raises(UsageError, match=why):
            select(registry, "paper", wanted)
    with pytest.raises(UsageError, match="champions alone"):
        select(registry, "live", ("v1",))
