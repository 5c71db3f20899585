"""Plain limits over the last samples: beyond, long enough, and over again."""

import pytest

from huracan.config import RemediesSettings
from huracan.health.resources import LIMITS, Resources, limit_table
from huracan.health.signals import SIGNALS
from huracan.health.window import Window
from huracan.memory.health import Anomaly, Sample

T = 1_760_000_040_000


class World:
    """A window that is looked at."""

    def __init__(self) -> None:
        self.window = Window()
        self.detector = Resources(self.window, "here")

    def see(self, second: float, name: str, value: float, subject: str = "") -> dict[str, Anomaly]:
        """Measure something, look, and return what is wrong by detector."""
        at_ms = T + round(1e3 * second)
        self.window.add([Sample(at_ms, SIGNALS[name].source, name, subject, value)], at_ms)
        return self.look(second)

    def look(self, second: float) -> dict[str, Anomaly]:
        """Return what is wrong by detector."""
        return {one.detector: one for one in self.detector.look(T + round(1e3 * second))}


@pytest.fixture
def world() -> World:
    """An empty window."""
    return World()


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.detector)
def test_each_limit_is_told_after_its_time_and_not_before(world: World, limit: object) -> None:
    """Beyond the limit all the time; then well again."""
    from huracan.health.resources import Limit

    assert isinstance(limit, Limit)
    bad = next(value for value in (0.0, limit.limit * 0.5, limit.limit * 1.5, limit.limit) if limit.wrong(value))
    good = next(value for value in (0.0, limit.limit * 0.5, limit.limit, limit.limit * 1.5) if not limit.wrong(value))
    x = limit.where
    assert limit.detector not in world.see(0, limit.signal, good, x)
    step = max(limit.for_s, 5.0) / 5
    for count in range(6):
        found = world.see(1 + count * step, limit.signal, bad, x)
        long_enough = count * step >= limit.for_s
        assert (limit.detector in found) == long_enough, count
    anomaly = found[limit.detector]
    assert (anomaly.since_ms, anomaly.severity) == (T + 1_000, limit.severity)
    assert x in (anomaly.subject, anomaly.account)
    assert anomaly.detector in world.detector.names
    assert limit.detector not in world.see(2 + 6 * step, limit.signal, good, x)


def test_what_is_not_measured_any_more_says_nothing(world: World) -> None:
    """A process that was short of files and has ended."""
    assert world.see(0, "host.disk_free_mb", 10.0, "here") == {}
    assert world.see(60, "host.disk_free_mb", 10.0, "here")
    assert world.look(180)
    assert not world.look(181)


def test_a_short_disk_reduces_accounts_only_where_they_are(world: World) -> None:
    """A minute long, and on the monitor's own machine; another node's is a warning that no rule acts on."""
    acting = [rule.detector for rule in RemediesSettings().rules if rule.mode == "act"]
    for second in (0, 30, 59):
        assert world.see(second, "host.disk_free_mb", 10.0, "here") == {}
    assert world.see(60, "host.disk_free_mb", 10.0, "here").keys() == {"disk_full"}
    assert world.see(61, "host.disk_free_mb", 5_000.0, "here") == {}
    world.see(70, "host.disk_free_mb", 10.0, "node-2")
    found = world.see(130, "host.disk_free_mb", 10.0, "node-2")
    assert {one.severity for one in found.values()} == {"warning"}
    assert found.keys() == {"disk_short"}
    assert ("disk_full" in acting, "disk_short" in acting) == (True, False)


def test_a_node_that_is_gone(world: World) -> None:
    """Two of three are left; one that came is no anomaly."""
    for second, nodes in enumerate((2, 3, 3)):
        assert world.see(second, "ray.nodes", nodes) == {}
    found = world.see(3, "ray.nodes", 2)["node_lost"]
    assert (found.observed, found.claimed, found.since_ms) == (2, 3, T + 3_000)
    assert world.see(4, "ray.nodes", 2)["node_lost"].since_ms == T + 3_000
    assert world.see(5, "ray.nodes", 3) == {}


def test_restarts_and_failed_jobs_are_counted_in_the_window(world: World) -> None:
    """Three restarts in a quarter of an hour; one failed job."""
    for second, restarts in enumerate((4, 5, 6)):
        assert world.see(second, "ray.actor_restarts", restarts, "huracan-feed") == {}
    found = world.see(3, "ray.actor_restarts", 7, "huracan-feed")["part_restarts"]
    assert (found.subject, found.observed, found.since_ms) == ("huracan-feed", 3, T + 1_000)
    assert world.see(4, "ray.jobs_failed", 2).keys() == {"part_restarts"}
    assert world.see(5, "ray.jobs_failed", 3)["job_failed"].observed == 1


def test_an_endpoint_without_its_replicas(world: World) -> None:
    """For a minute: a warning; with none at all it is critical."""
    world.see(0, "ray.replicas_wanted", 2)
    assert world.see(0, "ray.replicas", 2) == {}
    assert world.see(10, "ray.replicas", 1) == {}
    assert world.see(70, "ray.replicas", 1)["endpoint_short"].severity == "warning"
    assert world.see(71, "ray.replicas", 0)["endpoint_short"].severity == "critical"
    assert world.see(72, "ray.replicas", 2) == {}


def test_the_table_has_a_row_each() -> None:
    """With its reason."""
    rows = limit_table().splitlines()
    assert len(rows) == 2 + len(LIMITS)
    assert "`host.disk_free_mb`, here < 1000" in rows[2]
