"""A case of the parity tests traded by the engine over ccxt and the paper exchange in lock-step."""

from collections import Counter
from decimal import Decimal, localcontext

import numpy as np

from huracan.memory import TradeRows
from huracan.trading import ExitReason, Instrument
from tests.execution.planned import look
from tests.execution.world import ACCOUNT, World, virtually
from tests.paper.kernel_trader import paper_market_of
from tests.parity.convert import START_QUOTE, make_market
from tests.parity.differential import FORCED, Case, KernelRun
from tests.parity.ledger import ReferenceTrade
from tests.parity.observe import COMPARED
from tests.parity.session import DIGITS, missing_at_decisions


def run_engine(case: Case) -> tuple[KernelRun, Counter[str]]:
    """Trade the case; the kernel's run must be equal in every trade, balance and state."""
    with localcontext(prec=DIGITS):
        return virtually(lambda: _run(case))


async def _run(case: Case) -> tuple[KernelRun, Counter[str]]:
    world = World(paper_market_of(case), case.settings, case.start, START_QUOTE)
    engine = world.engine()
    await engine.start()
    due = missing_at_decisions(make_market(case.market, case.cost_scale).candles, case.settings.decision_interval_bars)
    closes: list[int] = []
    states: list[np.ndarray] = []
    planner = engine.desks[world.symbol].planner
    for row in range(case.start, case.stop):
        if row > case.start:
            await world.play(engine)
        close = world.close(sigma=float(case.market.sigma[row]))
        await engine.on_close({world.symbol: close})
        if row == case.stop - 1:
            break
        intents, forced = [], {}
        if row in due or case.every_close:
            closes.append(row)
            states.append(look(planner, close))
            busy = bool(states[-1][0] > 0 or states[-1][COMPARED.index(70)] > 0)
            action, force = case.script.act(close.bar.number, busy)
            missing = due.get(row)
            may_enter = missing == 0 and not case.script.denies(close.bar.number)
            if force:
                forced = {world.symbol: ExitReason(FORCED[force])}
            elif missing is not None and busy == (action in (4, 5)) and (action in (0, 4, 5) or may_enter):
                intents = [world.intent(action)]
        await engine.on_intents(intents, forced)
        await engine.quiesce()
    await engine.stop()
    rows = await world.store().closed_trades(0)
    base = sum(map(Decimal, world.exchange.balances(ACCOUNT).get(world.market.base, ("0", "0"))))
    quote = sum(map(Decimal, world.exchange.balances(ACCOUNT)["USDT"]))
    found = reference_trades(rows, world.market.instrument, case.settings.base_ms)
    log = await world.store().log()
    assert not log.alarms, log.alarms
    counts = Counter(trade.reason for trade in found)
    counts["requests"] = len(world.sent)
    run = KernelRun(
        trades=found,
        closes=closes,
        states=np.array(states, np.float32).reshape(-1, len(COMPARED)),
        equity=[],
        rewards=[],
        quote=quote,
        base=Decimal(base),
    )
    return run, counts


def reference_trades(rows: TradeRows, instrument: Instrument, base_ms: int) -> list[ReferenceTrade]:
    """Return stored trades of one market in the reference's units."""
    tick, step, unit = instrument.tick, instrument.step, Decimal("1e-8")
    return [
        ReferenceTrade(
            entry_bar=int(rows.entry_time[i]) // base_ms,
            exit_bar=int(rows.exit_time[i]) // base_ms,
            quantity_in=int(rows.steps_in[i]) * step,
            quantity_out=int(rows.steps_out[i]) * step,
            money_in=int(rows.tick_steps_in[i]) * tick * step,
            money_out=int(rows.tick_steps_out[i]) * tick * step,
            fee_base=int(rows.fee_base_e8[i]) * unit,
            fee_quote=int(rows.fee_quote_e8[i]) * unit,
            dust_in=int(rows.dust_in_e8[i]) * unit,
            dust_out=int(rows.dust_out_e8[i]) * unit,
            reason=str(rows.exit_reason[i]),
            high=int(rows.high_ticks[i]) * tick,
            low=int(rows.low_ticks[i]) * tick,
        )
        for i in range(len(rows))
    ]
