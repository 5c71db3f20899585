"""What passes between engine and store is frozen."""

from dataclasses import FrozenInstanceError, fields, is_dataclass

import pytest

from huracan.execution import model


def test_everything_is_frozen() -> None:
    """Nobody changes in place what another one holds."""
    classes = [value for value in map(model.__dict__.get, model.__all__) if is_dataclass(value)]
    assert len(classes) > 20
    for found in classes:
        blank = object.__new__(type(found) if not isinstance(found, type) else found)
        with pytest.raises(FrozenInstanceError):
            setattr(blank, fields(found)[0].name, None)


def test_an_empty_record_asks_for_nothing() -> None:
    """All parts are optional, and no two records share one."""
    first, second = model.Record(), model.Record()
    assert first == second
    assert not first.facts
    assert first.cursors is not second.cursors
