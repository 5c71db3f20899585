"""Every store is a `Store`: the same methods with the same arguments."""

import inspect

import pytest

from huracan.execution.memory_store import MemoryStore
from huracan.execution.postgres_store import PostgresStore
from huracan.execution.store import Store


def _methods(found: type) -> dict[str, inspect.Signature]:
    named = {name: getattr(found, name) for name in vars(Store) if not name.startswith("_") and name != "account"}
    return {name: inspect.signature(method) for name, method in named.items()}


@pytest.mark.parametrize("found", [MemoryStore, PostgresStore])
def test_a_store_has_every_method_of_the_protocol(found: type) -> None:
    """Names, arguments, defaults and types are the protocol's, and so is that all of them are awaited."""
    assert _methods(found) == _methods(Store)
    assert len(_methods(Store)) > 20
    assert all(inspect.iscoroutinefunction(getattr(found, name)) for name in _methods(Store))
