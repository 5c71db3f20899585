"""A new book waits for its features; the old one decides meanwhile."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from huracan.signals.readiness import ReadyPolicies, ThreadedPolicies, check_alive
from huracan.signals.versions import Versions
from tests.signals.following import fit
from tests.signals.serving import export, row
from tests.signals.stand_ins import HeldMarket, HeldPolicies, RuleBook, market_close, version


def test_a_book_of_known_features_decides_at_once() -> None:
    """Nothing to wait for."""
    market, wanted = HeldMarket(), HeldPolicies()
    ready = ReadyPolicies(wanted, market)
    wanted.book = RuleBook(served=(version("v2", "fit-a"),))
    assert set(ready.book.versions) == {"v2"}
    assert ready.problem == ""


def test_a_book_of_unknown_features_waits_for_the_first_close_that_has_them() -> None:
    """And the wait is told."""
    market, wanted = HeldMarket(), HeldPolicies()
    ready = ReadyPolicies(wanted, market)
    wanted.book = RuleBook(served=(version("v2", "fit-b"),))
    assert set(ready.book.versions) == {"v1"}
    assert "v2 waits" in ready.problem
    market.newest = market_close(fits=("fit-b",))
    assert set(ready.book.versions) == {"v2"}
    assert ready.problem == ""


def test_the_first_book_waits_for_nobody() -> None:
    """There is nothing that could go on meanwhile, and requests say why they have no answer."""
    market, wanted = HeldMarket(newest=None), HeldPolicies(RuleBook(served=()))
    ready = ReadyPolicies(wanted, market)
    wanted.book = RuleBook()
    assert set(ready.book.versions) == {"v1"}


def test_the_registrys_own_problem_is_told_first() -> None:
    """A tampered artefact is why the book is old."""
    wanted = HeldPolicies(problem="tampered")
    assert ReadyPolicies(wanted, HeldMarket()).problem == "tampered"


def test_decisions_come_from_one_thread_and_are_the_books_own(tmp_path: Path) -> None:
    """The same bits as without the thread; the event loop's own thread does no forward pass."""
    artefact = export(tmp_path / "v1", 1)
    versions = Versions(lambda: [row(1, artefact, tmp_path / "v1")], "paper")
    threaded = ThreadedPolicies(versions)
    assert threaded.book.versions == {}
    assert versions.refresh()
    book = threaded.book
    assert book is threaded.book
    symbols = fit().context.universe
    states = np.zeros((len(symbols), 80), np.float32)
    names: set[str] = set()
    real = versions.book.decide_now

    def noted(*arguments: Any) -> Any:
        names.add(threading.current_thread().name)
        return real(*arguments)

    versions.book.decide_now = noted  # type: ignore[method-assign]

    async def run() -> list[Any]:
        await threaded.ping()
        return await asyncio.gather(*(book.decide(0, symbols, states) for _ in range(8)))

    found, expected = asyncio.run(run()), real(symbols, states)
    for one in found:
        assert np.array_equal(one.probs, expected.probs)
        assert one.version == expected.version
    assert len(names) == 1
    assert threading.current_thread().name not in names


def test_only_what_a_new_process_would_mend_is_a_reason_to_restart() -> None:
    """A loop that has ended, by a fault or without one, and a thread that hangs; otherwise all is well."""

    async def goes_on() -> None:
        await asyncio.sleep(60)

    async def fails() -> None:
        raise ZeroDivisionError

    async def answers() -> None:
        return None

    async def run() -> None:
        good, bad, over = (asyncio.ensure_future(work()) for work in (goes_on, fails, answers))
        await asyncio.sleep(0.01)
        await check_alive([good], answers, 0.05)
        with pytest.raises(RuntimeError, match="has ended") as caught:
            await check_alive([good, bad], answers, 0.05)
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
        with pytest.raises(RuntimeError, match="has ended"):
            await check_alive([over], answers, 0.05)
        with pytest.raises(TimeoutError):
            await check_alive([good], goes_on, 0.05)
        good.cancel()
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="has ended"):
            await check_alive([good], answers, 0.05)

    asyncio.run(run())
