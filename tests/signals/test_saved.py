"""A feed's snapshot: taken over when whole and ours, refused by its bytes or its name otherwise."""

from pathlib import Path

import numpy as np

from huracan.signals.saved import Saved, read_saved

OURS = ("1m", "ADA/USDT", "fit")


def test_the_parts_come_back_as_they_were(tmp_path: Path) -> None:
    """Three parts of any bytes, new lines among them, and one that is empty."""
    saved = Saved(1_700_000_000_000, b"one\n\x00two", b"", b"\n\n")
    path = tmp_path / "x"
    path.write_bytes(saved.to_bytes(OURS))
    assert read_saved(path, OURS) == saved


def test_what_is_not_there_not_whole_or_not_ours_is_not_taken(tmp_path: Path) -> None:
    """No file, a folder, other markets or fits, one bit flipped anywhere, bytes cut off."""
    path = tmp_path / "x"
    assert read_saved(path, OURS) is None
    assert read_saved(tmp_path, OURS) is None
    whole = Saved(7, b"machines", b"books", b"ring").to_bytes(OURS)
    path.write_bytes(whole)
    assert read_saved(path, (*OURS, "another")) is None
    rng = np.random.default_rng(3)
    for place in [*range(0, len(whole), 7), len(whole) - 1]:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(rng.integers(0, 8))
        path.write_bytes(bytes(flipped))
        assert read_saved(path, OURS) is None, place
    for length in (0, 1, 64, 65, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert read_saved(path, OURS) is None, length
