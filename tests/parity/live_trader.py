"""The trader process of the parity test: the whole live stack, deciding by a registered version or a given policy."""

import asyncio
import json
import os
import random
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

import huracan
from huracan.clock import WallClock
from huracan.config import home_folder, load_settings
from huracan.execution.failpoints import FAILPOINT_VARIABLE, kill_at
from huracan.execution.postgres_store import PostgresStore
from huracan.features import FeatureFit
from huracan.logs import configure_logging
from huracan.memory import Registry, open_database, run
from huracan.patterns import state_layout
from huracan.signals.model import ServedVersion
from huracan.signals.policies import LoadedVersion, PolicyBook
from huracan.signals.versions import Versions
from huracan.trader.access import access_of
from huracan.trader.beside import StoredBeside
from huracan.trader.decided import AccountDecisions
from huracan.trader.pulse import StoredPulse
from huracan.trader.restricting import AccountRestrictions
from huracan.trader.served import Served
from huracan.trader.views import AccountViews
from huracan.trader.wiring import Setup, open_trader
from huracan.trading import RULES_SEARCHED, resolve_settings
from tests.parity.live import BESIDE, Eager


class Fixed:
    """A registry that nobody changes: what decides, and what trades beside it in shadow."""

    def __init__(self, book: PolicyBook, shadows: tuple[LoadedVersion, ...] = ()) -> None:
        self.book, self.shadows = book, shadows

    def refresh(self) -> bool:
        """Change nothing."""
        return False


CLAIM = "claim"
"""An entry is approved and written down, and no order of it is."""


class DiesAtClaim(PostgresStore):
    """A store whose process is killed once it has claimed an entry."""

    async def begin_entry(self, *arguments: Any, **named: Any) -> Any:
        """Write, then die."""
        await super().begin_entry(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)


def registered(engine: Engine, name: str) -> Versions:
    """Return the registry's version of a name, loaded as any trader loads it."""
    found = Versions(Registry(engine).models, "paper", (name,))
    found.refresh()
    assert not found.problem, found.problem
    return found


async def serve(setup: Setup) -> None:
    """Trade until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    try:
        async with open_trader(setup) as trader:
            print("trading", flush=True)
            await trader.run(stop)
    finally:
        parts = (setup.store, setup.views, setup.decisions, setup.beside)
        await asyncio.gather(*(part.close() for part in parts if part is not None))


def main(given: dict[str, Any]) -> None:
    """Put the trader together and run it."""
    configure_logging()
    symbols = tuple(given["symbols"])
    overrides = {"execution.url": given["url"], "execution.account": given["account"], "data.symbols": list(symbols)}
    settings = load_settings(Path(given["config"]), overrides)
    fit = FeatureFit.from_json(Path(given["fit"]).read_text())
    kernel = resolve_settings(settings.trading, "1m")
    layout = state_layout(fit.context.windows)
    served = ServedVersion("live-parity", "*", "candidate", False, "0" * 64, fit.sha256, layout)
    rules = {name: getattr(kernel, name) for name in RULES_SEARCHED}
    deciding = LoadedVersion(served, Eager(**given["policy"]), fit, symbols, "1m", rules)
    beside = replace(deciding, served=replace(served, version=BESIDE, stage="shadow"))
    engine = open_database(settings.database)
    versions: Served = Fixed(PolicyBook([deciding]), (beside,))
    if given["version"]:
        versions = registered(engine, given["version"])
    timeout_s, dies_at = settings.execution.database_timeout_s, given["dies_at"]
    store = DiesAtClaim if dies_at == CLAIM else PostgresStore
    with run(engine, "trade-paper", settings, "", huracan.__version__) as run_id:
        account = given["account"]
        asyncio.run(
            serve(
                Setup(
                    settings=settings,
                    access=access_of(settings.execution, "paper", home_folder(), None),
                    script=None,
                    store=store(engine, account, run_id, timeout_s),
                    views=AccountViews(engine, account, timeout_s),
                    decisions=AccountDecisions(engine, account, timeout_s),
                    beside=StoredBeside(engine, account, run_id, timeout_s),
                    versions=versions,
                    home=home_folder(),
                    clock=WallClock(),
                    rng=random.Random(1),
                    failpoints=kill_at({} if dies_at == CLAIM else {FAILPOINT_VARIABLE: dies_at}),
                    restricting=AccountRestrictions(engine, account, timeout_s),
                    pulses=StoredPulse(engine, timeout_s),
                    lease_wait_s=30.0,
                    accept_balances=False,
                )
            )
        )
    engine.dispose()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
