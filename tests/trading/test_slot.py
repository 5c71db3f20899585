"""The layout of the slot."""

import numpy as np

from huracan.trading.slot import SLOT


def test_every_field_is_an_int64_that_python_can_read_by_name() -> None:
    """No name hides behind an attribute of NumPy's records (`base`, `size`, ...), which reading by name would meet."""
    assert SLOT.names
    assert {SLOT[name] for name in SLOT.names} == {np.dtype("i8")}
    assert not set(SLOT.names) & set(dir(np.record))
    assert SLOT.itemsize == 8 * len(SLOT.names)
