"""Defences against the world outside: limits, clocks, streams, prices, figures that are none, and the halt."""

from tests.mutations.kinds import Edit, Mutation

__all__ = ["OUTSIDE"]

VENUE = "huracan/venue/binance.py"
GATE = "huracan/risk/gate.py"
ENGINE = "huracan/execution/engine.py"
FAULTS = "tests/execution/test_faults.py"
EDGE = "tests/execution/test_faults_outside.py"
GATED = "tests/risk/test_gate.py::test_each_case_is_denied_with_its_code"

OUTSIDE = (
    Mutation(
        name="retry-after-ignored",
        defence="nothing is sent before the venue's Retry-After",
        faults=("F11",),
        breaks="F11: requests into a 429 become a ban, and cancels with them",
        edits=(
            Edit(
                "huracan/venue/budget.py",
                "            self._budget.block(int(wait_s * 1_000) + 1, now_ms)",
                "            del wait_s",
            ),
        ),
        tests=(f"{EDGE}::test_f11_the_venue_wants_silence",),
    ),
    Mutation(
        name="throttled-entries",
        defence="an entry is denied while the venue wants silence",
        faults=("F11",),
        breaks="F11: risk approves what cannot be sent",
        edits=(Edit(GATE, "        yield _throttled(view)\n", ""),),
        tests=(GATED,),
    ),
    Mutation(
        name="questions-asked-once",
        defence="a question is asked again after a passing fault",
        faults=("F12",),
        breaks="I5: one bad reply leaves a fill unbooked until somebody asks again",
        edits=(
            Edit(
                VENUE,
                "                reason = self._judge(endpoint, error)\n",
                "                raise VenueError(self._judge(endpoint, error)) from None\n",
            ),
        ),
        tests=("tests/venue/test_binance.py::test_a_read_is_repeated_until_it_is_proper",),
    ),
    Mutation(
        name="buys-on-a-wrong-clock",
        defence="nothing is bought while the clocks differ by half a second",
        faults=("F13",),
        breaks="F13: an order's time window means nothing, and absence cannot be proven",
        edits=(Edit(VENUE, "        if self.paused and side is Side.BUY:\n", "        if False:\n"),),
        tests=(
            "tests/venue/test_binance.py::test_a_wrong_clock_pauses_buying_and_nothing_else",
            f"{EDGE}::test_f13_the_clocks_differ",
        ),
    ),
    Mutation(
        name="clocks-not-compared-again",
        defence="-1021 has the clocks compared before anything else is signed",
        faults=("F13",),
        breaks="F13: every order is refused until the next comparison",
        edits=(
            Edit(
                VENUE,
                "        if isinstance(outcome, Rejected) and outcome.venue_code == _TIMESTAMP_CODE:\n"
                "            self._compared = False\n",
                "",
            ),
        ),
        tests=(
            "tests/venue/test_binance.py::test_a_timestamp_refused_pauses_until_the_clocks_are_compared",
            f"{EDGE}::test_f13_the_clocks_differ",
        ),
    ),
    Mutation(
        name="streams-are-believed",
        defence="orders and trades are asked for, whatever the streams say",
        faults=("F15",),
        breaks="I5: a silent stream hides a fill, and it has no stop",
        edits=(
            Edit(
                "huracan/execution/watch.py",
                "            (settings.orders_s, self._ask_orders),\n",
                "",
            ),
        ),
        tests=("tests/execution/test_watch.py::test_without_any_stream_a_fill_is_protected_within_the_period",),
    ),
    Mutation(
        name="stale-candle-trades",
        defence="an entry on a candle that is too old is denied",
        faults=("F15", "F16"),
        breaks="I13: an order is priced by a market that is gone",
        edits=(Edit(GATE, "        if not behind_ms <= limit_ms:\n", "        if False:\n"),),
        tests=(GATED,),
    ),
    Mutation(
        name="silent-feed-trades",
        defence="an entry on a feed that has gone silent is denied",
        faults=("F15",),
        breaks="I13: an order is priced by a market that is gone",
        edits=(Edit(GATE, "        if not view.feed_age_s <= self._limits.feed_age_max_s:\n", "        if False:\n"),),
        tests=(GATED,),
    ),
    Mutation(
        name="unbooked-close-trades",
        defence="after a close whose fills could not be booked no entry is decided",
        faults=("F15", "F16"),
        breaks="I8: a decision on a position that may have changed",
        edits=(
            Edit(
                "huracan/execution/decisions.py",
                "if self.closing or not desk.booked or self._journal.blocked or not desk.planner.settled:",
                "if self.closing or self._journal.blocked or not desk.planner.settled:",
            ),
        ),
        tests=(f"{EDGE}::test_f15_a_close_that_nobody_can_book",),
    ),
    Mutation(
        name="crossed-prices-trade",
        defence="a candle whose prices cannot be is no close",
        faults=("F16",),
        breaks="I13: sizes and stops are computed from it",
        edits=(
            Edit(
                "huracan/execution/feed.py",
                "    if not (0 < low <= min(opening, closing) <= max(opening, closing) <= high and volume >= 0):\n",
                "    if False:\n",
            ),
        ),
        tests=("tests/execution/test_feed.py::test_impossible_candles_are_refused",),
    ),
    Mutation(
        name="nan-is-a-number",
        defence="a measurement that is NaN or infinite is not known",
        faults=("F22",),
        breaks="I13: a comparison with NaN is false, and the limit is passed",
        edits=(
            Edit(
                "huracan/risk/view.py",
                "not isinstance(figure, bool) and math.isfinite(figure)",
                "not isinstance(figure, bool)",
            ),
        ),
        tests=(GATED,),
    ),
    Mutation(
        name="unknown-passes",
        defence="what is not known denies an entry",
        faults=("F22", "F14"),
        breaks="I8, I13: limits are judged on figures that nobody has",
        edits=(Edit(GATE, "        yield _unknown(view, coin)\n", ""),),
        tests=(GATED,),
    ),
    Mutation(
        name="any-action",
        defence="what is no action of the table is denied",
        faults=("F22",),
        breaks="I13: a number out of range decides",
        edits=(
            Edit(
                "huracan/execution/decisions.py",
                "if type(action) is not int or action not in tuple(Action):",
                "if False:",
            ),
        ),
        tests=(f"{FAULTS}::test_f22_what_is_no_action_is_denied",),
    ),
    Mutation(
        name="sold-twice",
        defence="coins that another sell holds are not there to be sold",
        faults=("F9",),
        breaks="I8: sells together turn the position",
        edits=(
            Edit(
                GATE,
                "free = coin.position - view.reservations.selling(intent.symbol, intent.replaces)",
                "free = coin.position",
            ),
        ),
        tests=(GATED,),
    ),
    Mutation(
        name="reducing-may-turn",
        defence="REDUCING: a position becomes smaller and never turns",
        faults=("F11", "F20"),
        breaks="I9: selling ten times the position passes as a reduction",
        edits=(
            Edit(
                "huracan/risk/state.py",
                "return abs(after) <= abs(before) and before * after >= 0",
                "return abs(after) <= abs(before) or change < 0",
            ),
        ),
        tests=("tests/risk/test_state.py::test_reducing_makes_a_position_smaller_and_never_turns_it",),
    ),
    Mutation(
        name="reducing-may-buy",
        defence="REDUCING: no buy passes the last question before the socket",
        faults=("F11", "F20"),
        breaks="I9: an entry approved before leaves after it",
        edits=(
            Edit(
                ENGINE,
                "return side is Side.SELL or self.state is TradingState.ACTIVE",
                "return True",
            ),
        ),
        tests=("tests/execution/test_submit.py::test_a_reduction_in_the_middle_stops_a_buy",),
    ),
    Mutation(
        name="halt-without-a-proof",
        defence="a halt ends when the venue's own list shows no order",
        faults=(),
        breaks="I9: orders rest after the kill switch said that none does",
        edits=(
            Edit(
                "huracan/execution/halting.py",
                "if not rest and (policy is HaltPolicy.HOLD or not desk.alive):",
                "if True:",
            ),
        ),
        tests=("tests/execution/test_halting.py::test_cancels_are_repeated_until_nothing_rests",),
    ),
    Mutation(
        name="halt-waits-for-the-venue",
        defence="the trading state is followed in a loop of its own",
        faults=("F11",),
        breaks="I9: while the venue wants silence an operator's halt is not even read",
        edits=(
            Edit(
                "huracan/execution/watch.py",
                "            self._repeat(((settings.watch_s, self._follow",
                "            self._repeat((*asked, (settings.watch_s, self._follow",
            ),
        ),
        tests=("tests/execution/test_watch.py::test_a_halt_does_not_wait_for_a_venue_that_wants_silence",),
    ),
    Mutation(
        name="halted-buys",
        defence="HALTED: nothing but what the policy sells is sent",
        faults=(),
        breaks="I9: an entry leaves after the kill switch",
        edits=(
            Edit(
                ENGINE,
                "        if self.state is TradingState.HALTED:\n"
                "            return side is Side.SELL and self._policy in (HaltPolicy.FLATTEN, HaltPolicy.HOLD)\n",
                "        if self.state is TradingState.HALTED:\n            return True\n",
            ),
        ),
        tests=("tests/execution/test_submit.py::test_a_halt_in_the_middle_stops_the_order",),
    ),
    Mutation(
        name="refused-for-money-and-kept",
        defence="a definite refusal ends the order and frees its money",
        faults=("F18",),
        breaks="I8, I6: money stays reserved for an order that the venue refused",
        edits=(
            Edit(
                "huracan/execution/desk.py",
                "facts = self._facts(work, Trigger.REJECT, reason) if written else ()",
                "facts = self._facts(work, Trigger.LOSE, reason) if written else ()",
            ),
        ),
        tests=(f"{FAULTS}::test_f18_money_that_is_not_there",),
    ),
    Mutation(
        name="halt-needs-the-store",
        defence="a halt is carried out also when its row cannot be written",
        faults=("F14",),
        breaks="I9: without a database nothing stops",
        edits=(
            Edit(
                ENGINE,
                "        await self._carry_out(policy)\n\n    async def _carry_out(",
                "        await self._store.change_state(StateChange(0, TradingState.HALTED, author, reason, 0))\n"
                "        await self._carry_out(policy)\n\n    async def _carry_out(",
            ),
        ),
        tests=("tests/execution/test_halting.py::test_a_halt_needs_no_store",),
    ),
)
