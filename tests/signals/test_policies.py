"""A book of versions decides as each version alone does, for whoever asks together with whomever."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from huracan.config import TradingSettings
from huracan.errors import InvariantError
from huracan.policy import specimen_states
from huracan.signals.policies import LoadedVersion, PolicyBook
from huracan.signals.versions import load_version
from huracan.trading import Action, legal_actions, resolve_settings
from tests.signals.following import fit
from tests.signals.serving import export, row

SYMBOLS = ("ADA/USDT", "BTC/USDT", "FET/USDT", "XRP/USDT")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedVersion, LoadedVersion]:
    """A version of all coins, and one of ADA alone, of another fit and under other rules."""
    root = tmp_path_factory.mktemp("versions")
    everything = load_version(row(1, export(root / "1", 1), root / "1"))
    kernel = replace(resolve_settings(TradingSettings(), "1m"), decision_interval_bars=5, hold_bars=60)
    ada = load_version(row(2, export(root / "2", 2, fit(2), kernel), root / "2", "champion", "ADA/USDT", proven=True))
    return everything, ada


def test_the_version_of_a_coin_goes_before_the_one_of_all_coins(pair: tuple[LoadedVersion, LoadedVersion]) -> None:
    """A market outside of the universe is nobody's."""
    book = PolicyBook(pair)
    assert [found and found.version for found in map(book.version_of, SYMBOLS)] == ["v2", "v1", "v1", None]
    assert book.markets == ("ADA/USDT", "BTC/USDT", "FET/USDT")
    assert {one.sha256 for one in book.fits} == {fit(1).sha256, fit(2).sha256}
    assert list(book.versions) == ["v2", "v1"]
    with pytest.raises(InvariantError, match="one a scope"):
        PolicyBook((pair[0], pair[0]))


def test_a_decision_depends_on_the_state_alone(pair: tuple[LoadedVersion, LoadedVersion]) -> None:
    """Action, probabilities and confidence are each version's own, bit for bit, alone or among 200 neighbours."""
    book, states = PolicyBook(pair), specimen_states(200, 3)
    symbols = [SYMBOLS[n % 3] for n in range(len(states))]
    found = book.decide_now(symbols, states)
    for number, (symbol, state) in enumerate(zip(symbols, states, strict=True)):
        version = pair[symbol == "ADA/USDT"]
        alone = version.ensemble.decide(state[None])
        assert found.version[number] == version.served.version
        assert (found.action[number], found.confidence[number]) == (alone.action[0], alone.confidence[0])
        assert found.probs[number].tobytes() == alone.probs[0].tobytes()
    legal = legal_actions(states)
    assert legal[np.arange(len(states)), found.action].all()
    assert len(set(found.action.tolist())) > 3
    assert (found.probs[~legal] == 0).all()


def test_nobodys_market_is_left_alone(pair: tuple[LoadedVersion, LoadedVersion]) -> None:
    """No version: no action, no confidence, no name; an empty book and an empty question are answered."""
    states = specimen_states(2, 1)
    found = asyncio.run(PolicyBook(pair).decide(1, ("XRP/USDT", "BTC/USDT"), states))
    assert (found.action[0], found.confidence[0], found.version) == (Action.DO_NOTHING, 0.0, ("", "v1"))
    assert asyncio.run(PolicyBook().decide(1, ("BTC/USDT", "ADA/USDT"), states)).version == ("", "")
    assert PolicyBook(pair).decide_now((), states[:0]).action.shape == (0,)


def test_a_state_that_is_not_finite_is_not_decided_on(pair: tuple[LoadedVersion, LoadedVersion]) -> None:
    """An unknown number decides nothing."""
    states = specimen_states(2, 1)
    states[1, 5] = np.nan
    with pytest.raises(InvariantError, match="entry 5"):
        PolicyBook(pair).decide_now(("BTC/USDT", "BTC/USDT"), states)


def test_a_version_is_traded_under_the_rules_it_was_trained_under(pair: tuple[LoadedVersion, LoadedVersion]) -> None:
    """What a search chose is the version's; stake, fees and order types are the operator's."""
    configured = TradingSettings(stake_amount=123.0, entry="maker")
    found = pair[1].trading(configured)
    assert (found.decision_interval_bars, found.hold_bars, found.stake_amount, found.entry) == (5, 60, 123.0, "maker")
    assert pair[0].trading(configured).hold_bars == 720
