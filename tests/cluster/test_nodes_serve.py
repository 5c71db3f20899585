"""Feed, signals and trader on a cluster of several nodes: machines die, are cut off and wake, and the head comes back.

Nothing may be sent twice, whoever is alive: the database's lease says who trades, never the name of an actor.
"""

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

import psutil
import pytest
from sqlalchemy import Engine, text

from huracan.memory import EmbeddedServer, connect
from tests.cluster.nodes import Node, Nodes, nodes, redis_store
from tests.serve.brought import ACCOUNT, Up, replayed
from tests.trader.processes import until

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.postgres, pytest.mark.timeout(1_800)]

SPEED, BACK_S = "20x", 300.0


@dataclass
class Site:
    """A cluster, what is served on it, and a token of the endpoint."""

    cluster: Nodes
    world: Up
    token: str

    def ready(self) -> None:
        """Wait until signals are answered and another order leaves.

        Where the feed was silent for long the monitor has let the account reduce only: then a person resumes it.
        """
        until("signals", lambda: self._asked() == 200, BACK_S)
        if self.world.status(ACCOUNT).state == "REDUCING":
            print("the monitor had reduced trading; resumed by hand")
            self.world.command("resume", "--account", ACCOUNT, "--reason", "the feed is back")
        posted = len(self.world.posts(ACCOUNT))
        try:
            until("another order", lambda: len(self.world.posts(ACCOUNT)) > posted, BACK_S)
        except AssertionError:
            print(self.world.command("trade", "status"), self.world.command("status"), self.decided()[-3:], sep="\n")
            raise

    def _asked(self) -> int:
        try:
            return self.world.http(self.token, "POST", "/v1/signals", {})[0]
        except OSError:
            return 0
        except ValueError:  # Serve's own proxy, in words of its own
            return -1

    def decided(self, after: datetime | None = None) -> list[datetime]:
        """Return the closes that were decided, of those after a moment."""
        engine = connect(self.world.database_url)
        try:
            with engine.connect() as connection:
                asked = (
                    "SELECT close_at FROM decisions JOIN accounts USING (account_no) WHERE name = :name "
                    "AND close_at > COALESCE(:after, '-infinity'::timestamptz) ORDER BY 1"
                )
                return [row[0] for row in connection.execute(text(asked), {"name": ACCOUNT, "after": after})]
        finally:
            engine.dispose()

    def pids(self, what: str) -> dict[int, Node]:
        """Return the processes of a part, and on which node each runs."""
        found = {}
        for node in (self.cluster.head, *self.cluster.workers):
            for one in node.members if node is not None else ():
                try:
                    if " ".join(one.cmdline()).startswith(what):
                        found[one.pid] = node
                except psutil.Error:
                    continue
        return found

    @contextmanager
    def watched(self) -> Iterator["Watch"]:
        """Ask for signals and look at lease and processes all the time, for the block."""
        watch = Watch(self, self.decided()[-1])
        threads = [threading.Thread(target=one) for one in (watch.ask, watch.look)]
        for thread in threads:
            thread.start()
        try:
            yield watch
        finally:
            watch.over.set()
            for thread in threads:
                thread.join(120)


@dataclass
class Watch:
    """What was seen from outside during a fault.

    Attributes:
        begun: the newest close that was decided before.
        answered_s: when a request was answered, monotonic.
        statuses: of all requests; 0: no connection; -1: a proxy that does not know the endpoint yet.
        holders: process that has the lease, one entry per change; 0: nobody has.
        traders: the most trading processes that lived at the same time.
    """

    site: Site
    begun: datetime
    answered_s: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    holders: list[int] = field(default_factory=list)
    traders: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        """Ask on."""
        while not self.over.wait(0.2):
            status = self.site._asked()
            self.statuses[status] += 1
            if status == 200:
                self.answered_s.append(time.monotonic())

    def look(self) -> None:
        """Look on."""
        while not self.over.wait(0.3):
            pid = self.site.world.pid()
            if not self.holders or self.holders[-1] != pid:
                self.holders.append(pid)
            self.traders = max(self.traders, len(self.site.pids("ray::Execution")))

    @property
    def gap_s(self) -> float:
        """Return the longest time without an answer."""
        times = self.answered_s
        return max((after - before for before, after in pairwise(times)), default=0.0)

    @property
    def closes(self) -> int:
        """Return how many closes there were, by the newest that was decided."""
        return round((self.site.decided()[-1] - self.begun) / timedelta(minutes=15))

    @property
    def undecided(self) -> int:
        """Return how many of them nobody decided."""
        return self.closes - len(self.site.decided(self.begun))


@pytest.fixture(scope="module")
def site(database: Engine, database_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A head that does not work and keeps its state in Redis, two workers, everything up, an account traded."""
    name = database.url.database
    assert name is not None
    home, stored = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("candles")
    with redis_store(tmp_path_factory.mktemp("redis")) as storage, nodes(storage) as cluster:
        cluster.start_head()
        for _ in range(2):
            cluster.add(2)
        told = cluster.access | {"RAY_ADDRESS": cluster.address}
        with replayed(home, database_server.url(name), stored, speed=SPEED, **told) as world:
            yield Site(cluster, world, world.command("serve", "token", "new", "tests", "--scope", "trade")["token"])


def told(watch: Watch, what: str) -> None:
    """Print what a fault has cost."""
    print(
        f"{what}: no signals for {watch.gap_s:.1f} s, answers {dict(watch.statuses)}, traders {watch.traders} at most"
    )
    print(f"{what}: lease held by {watch.holders}, {watch.undecided} of {watch.closes} closes were not decided")


def once(site: Site, what: str) -> None:
    """Hold that every order was POSTed once and that all is accounted for."""
    log = site.world.converge(ACCOUNT, 2, BACK_S)
    posts = site.world.posts(ACCOUNT)
    fills = {(fill.symbol, fill.trade_id) for fill in log.fills}
    print(f"{what}: {len(posts)} orders, POSTed twice: {sum(count > 1 for count in posts.values())}")
    assert len(fills) == len(log.fills)


def test_the_machine_of_replica_and_trader_dies_and_another_takes_over(site: Site) -> None:
    """Replica, feed and trader move; requests are answered again; what was under way is settled, nothing is doubled."""
    site.ready()
    ((pid, victim),) = site.pids("ray::ServeReplica:signals:Signals").items()
    moved = [
        part for part in ("ray::Feed", "ray::ServeReplica", "ray::Execution") if victim in site.pids(part).values()
    ]
    with site.watched() as watch:
        time.sleep(3)
        begun = time.monotonic()
        site.cluster.lose(victim)
        successor = until("a replica elsewhere", lambda: site.pids("ray::ServeReplica:signals:Signals"), BACK_S)
        site.ready()
        back_s = time.monotonic() - begun
    assert pid not in successor
    told(watch, "machine lost")
    print(f"machine lost: {', '.join(moved)} moved; all trade again after {back_s:.1f} s")
    assert watch.statuses[200] > 10
    once(site, "machine lost")
    site.cluster.add(2)


def test_a_trader_whose_node_is_cut_off_and_its_successor_never_trade_both(site: Site) -> None:
    """Ray believes the node dead and starts a second trader while the first lives: the lease lets one of them send."""
    site.ready()
    pid = site.world.pid()
    node = site.cluster.node_of(pid)
    raylet = node.raylet
    with site.watched() as watch:
        raylet.send_signal(signal.SIGSTOP)
        try:
            until("given up", lambda: node.address not in site.cluster.alive().values(), BACK_S)
            until("a second trader", lambda: len(site.pids("ray::Execution")) > 1, BACK_S)
            both = len(site.world.posts(ACCOUNT))
            time.sleep(15)
            sent = len(site.world.posts(ACCOUNT)) - both
            print(f"cut off: {sent} orders left while two traders lived, lease held by {site.world.pid()}, first {pid}")
            assert psutil.pid_exists(pid) or site.world.pid() != pid
        finally:
            raylet.send_signal(signal.SIGCONT)
        until("the first is gone", lambda: not psutil.pid_exists(pid), BACK_S)
        site.ready()
    told(watch, "cut off")
    assert watch.traders == 2
    assert next(one for one in watch.holders if one) == pid
    assert watch.holders.count(pid) == 1, "the lease went back to the first"
    assert site.world.pid() != pid
    once(site, "cut off")
    node.kill()
    site.cluster.workers.remove(node)
    site.cluster.add(2)


def test_a_machine_that_sleeps_and_wakes_after_its_lease_sends_nothing(site: Site) -> None:
    """Everything on it is frozen until another trades; when it wakes its trader finds the lease gone, and ends."""
    site.ready()
    pid = site.world.pid()
    node = site.cluster.node_of(pid)
    with site.watched() as watch:
        begun = time.monotonic()
        frozen = node.send(signal.SIGSTOP)
        try:
            until("another trader", lambda: site.world.pid() not in (0, pid), BACK_S)
            print(f"asleep: {frozen} processes; another has the lease after {time.monotonic() - begun:.1f} s")
            site.ready()
        finally:
            woken = time.monotonic()
            node.send(signal.SIGCONT)
        until("the first is gone", lambda: not psutil.pid_exists(pid), BACK_S)
        print(f"asleep: gone {time.monotonic() - woken:.1f} s after it woke")
        site.ready()
    told(watch, "asleep")
    assert watch.holders.count(pid) == 1, "the lease went back to the first"
    once(site, "asleep")
    node.kill()
    site.cluster.workers.remove(node)
    site.cluster.add(2)


def test_the_head_dies_and_comes_back_and_feed_and_trader_never_notice(site: Site) -> None:
    """With its state in Redis a new head finds the actors where they were: the same processes, no close undecided."""
    site.ready()
    before = {part: set(site.pids(part)) for part in ("ray::Feed", "ray::Execution")}
    head = site.cluster.head
    assert head is not None
    with site.watched() as watch:
        begun = time.monotonic()
        killed = head.kill()
        time.sleep(2)  # what was decided already
        last = site.decided()[-1]
        until("a close decided without a head", lambda: site.decided(last), BACK_S)
        site.cluster.start_head()
        until("the workers back", lambda: len(site.cluster.alive()) == 3, BACK_S)
        head_s = time.monotonic() - begun
        site.ready()
        back_s = time.monotonic() - begun
    print(
        f"head lost: {killed} processes; head again after {head_s:.1f} s, signals after {back_s:.1f} s; "
        "a close was decided while there was none"
    )
    told(watch, "head lost")
    assert watch.undecided == 0
    assert {part: set(site.pids(part)) for part in before} == before
    assert [one for one in watch.holders if one] == [site.world.pid()]
    once(site, "head lost")
