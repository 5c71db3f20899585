"""What remedies are made of: keys and the one author."""

from huracan.health.remedies.model import AUTHOR, Plan, anomaly_key
from huracan.memory.health import Anomaly
from huracan.risk.live import BY_ITSELF, MONITOR

WRONG = Anomaly("slippage", "main", "v1", "warning", "w", "m", 1, 2)


def test_a_key_is_what_at_most_one_remedy_in_force_has() -> None:
    """Account, kind and subject; an anomaly's is what names it while it lasts."""
    assert Plan("main", "halt", "", None, None, True, WRONG, None, 0).key == ("main", "halt", "")
    assert anomaly_key(WRONG) == ("main", "slippage", "v1")


def test_the_author_is_no_person_to_anybody() -> None:
    """The guard and the trading state know the same name, which loosens nothing."""
    assert MONITOR.name == AUTHOR
    assert not MONITOR.person
    assert AUTHOR in BY_ITSELF
