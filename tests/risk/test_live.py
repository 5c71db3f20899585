"""The two front doors: the light one loads no exchange library, the live one has every name of the room."""

import subprocess
import sys

from huracan.risk import live


def test_the_limits_of_shadow_load_no_exchange_library() -> None:
    """Each process of portfolio shadow would pay for it in seconds and memory."""
    program = "import sys, huracan.risk, huracan.shadow.portfolio; print('ccxt' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "False"


def test_every_name_of_the_live_door_is_there_once_and_in_order() -> None:
    """`__all__` is sorted, without repeats, and what it names exists."""
    assert len(set(live.__all__)) == len(live.__all__)
    assert all(hasattr(live, name) for name in live.__all__)
