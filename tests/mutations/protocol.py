"""Defences of the way of an order: written down, sent once, asked after, cancelled, followed by the next one."""

from tests.mutations.kinds import Edit, Mutation

__all__ = ["PROTOCOL"]

SUBMIT = "huracan/execution/submit.py"
RESOLVER = "huracan/execution/resolver.py"
DESK = "huracan/execution/desk.py"
PLANNER = "huracan/execution/planner.py"
VENUE = "huracan/venue/binance.py"
CLASSIFY = "huracan/venue/classify.py"
FAULTS = "tests/execution/test_faults.py"
RESOLVING = "tests/execution/test_resolver.py"

_MARK = """\
        try:
            await self.store.mark_sent(self.keeper.lease, cids, self.clock.now_ms())
        except DatabaseError as error:
            return self._doubt(cids, f"T2 failed: {error}")
"""
_SEND = """\
        if isinstance(place.request, OcoRequest):
            outcome = await self.venue.submit_oco(place.request)
        else:
            outcome = await self.venue.submit(place.request)
"""

PROTOCOL = (
    Mutation(
        name="sent-before-written",
        defence="T1: the order is in the store before it is at the socket",
        faults=("F1", "F2"),
        breaks="I7: an order that the ledger calls never sent is at the venue",
        edits=(
            Edit(SUBMIT, _SEND, ""),
            Edit(
                SUBMIT,
                "        reservation = _reservation(drafts[0], notional, heat, fee_frac)\n",
                "        reservation = _reservation(drafts[0], notional, heat, fee_frac)\n" + _SEND,
            ),
        ),
        tests=(
            "tests/execution/test_submit.py::test_the_order_is_in_the_store_before_it_is_at_the_socket",
            f"{FAULTS}::test_f1_killed_before_the_order_is_marked_as_sent",
            f"{FAULTS}::test_f2_killed_before_the_socket_write",
        ),
    ),
    Mutation(
        name="sent-before-marked",
        defence="T2: the row says that it was sent before the socket write",
        faults=("F2", "F3"),
        breaks="I7, I5: after a crash an order that filled is taken for never sent",
        edits=(
            Edit(SUBMIT, _MARK, ""),
            Edit(
                SUBMIT,
                "        self.failpoints(Failpoint.AFTER_ACCEPT)\n",
                "        self.failpoints(Failpoint.AFTER_ACCEPT)\n" + _MARK,
            ),
        ),
        tests=(
            "tests/execution/test_submit.py::test_the_order_is_in_the_store_before_it_is_at_the_socket",
            f"{FAULTS}::test_f3_f4_killed_after_the_venue_accepted",
        ),
    ),
    Mutation(
        name="lease-not-asked-before-the-send",
        defence="a holder whose lease ran out stops before the socket",
        faults=("F17",),
        breaks="I4: two executors of one account send",
        edits=(
            Edit(
                SUBMIT,
                "if not (self.keeper.valid and self.allowed(drafts[0].side)):",
                "if not self.allowed(drafts[0].side):",
            ),
        ),
        tests=("tests/execution/test_submit.py::test_a_lease_that_ran_out_sends_nothing",),
    ),
    Mutation(
        name="state-not-asked-before-the-send",
        defence="the trading state is asked again right before the socket",
        faults=(),
        breaks="I9: an order approved before a halt leaves after it",
        edits=(
            Edit(SUBMIT, "if not (self.keeper.valid and self.allowed(drafts[0].side)):", "if not self.keeper.valid:"),
        ),
        tests=("tests/execution/test_submit.py::test_a_halt_in_the_middle_stops_the_order",),
    ),
    Mutation(
        name="post-repeated",
        defence="a POST is sent once, whatever comes back",
        faults=("F5", "F6", "F12"),
        breaks="I4: one client id is POSTed twice, and an order that filled is bought again",
        edits=(
            Edit(
                VENUE,
                "        outcome = refused or await self._attempt(endpoint, params, parse)\n",
                "        outcome = refused or await self._attempt(endpoint, params, parse)\n"
                "        if isinstance(outcome, Unknown):\n"
                "            outcome = await self._attempt(endpoint, params, parse)\n",
            ),
        ),
        tests=(
            f"{FAULTS}::test_f5_the_answer_is_lost_after_the_order_filled",
            "tests/venue/test_binance.py::test_one_command_is_one_request_whatever_happens",
        ),
    ),
    Mutation(
        name="redirects-followed",
        defence="a redirect is a fault: following it sends the request again",
        faults=("F5", "F12"),
        breaks="I4: one client id is POSTed twice",
        edits=(
            Edit(
                "huracan/venue/client.py",
                "            guard.on_request_redirect.append(_refuse_redirect)\n",
                "",
            ),
        ),
        tests=("tests/venue/test_client.py::test_redirects_are_not_followed",),
    ),
    Mutation(
        name="silence-is-a-reject",
        defence="no reply is unknown, not refused",
        faults=("F5",),
        breaks="I5, I8: a filled order is written off and its money is free",
        edits=(
            Edit(
                CLASSIFY,
                'return Unknown(f"no reply: {type(error).__name__}{why}")',
                'return Rejected(RejectCode.ORDER_REFUSED, None, f"no reply: {type(error).__name__}{why}")',
            ),
        ),
        tests=(
            f"{FAULTS}::test_f5_the_answer_is_lost_after_the_order_filled",
            "tests/venue/test_classify.py::test_everything_else_is_unknown",
        ),
    ),
    Mutation(
        name="unreadable-is-a-reject",
        defence="a 200 that cannot be read (HTML, empty, cut) is unknown",
        faults=("F5",),
        breaks="I5, I8: a filled order is written off and its money is free",
        edits=(
            Edit(
                VENUE,
                'return Unknown(f"MALFORMED: {type(error).__name__}: {error}"[:200])',
                'return Rejected(RejectCode.ORDER_REFUSED, None, f"MALFORMED: {error}"[:200])',
            ),
        ),
        tests=(
            f"{FAULTS}::test_f5_the_answer_is_lost_after_the_order_filled",
            "tests/venue/test_classify.py::test_a_reply_that_does_not_say_enough_is_unknown",
        ),
    ),
    Mutation(
        name="any-reply-will-do",
        defence="a reply counts when it is about the order that was sent",
        faults=("F5",),
        breaks="I7: an order is called accepted by words about another one",
        edits=(
            Edit(
                "huracan/venue/wire.py",
                "    if (order.cid, order.side, order.kind, order.quantity, order.price) != sent:\n",
                "    if False:\n",
            ),
        ),
        tests=("tests/venue/test_classify.py::test_a_reply_that_does_not_say_enough_is_unknown",),
    ),
    Mutation(
        name="refusals-by-default",
        defence="the allow-list of definite refusals: every other code is unknown",
        faults=("F12",),
        breaks="I5, I8: an order that was carried out is written off",
        edits=(
            Edit(
                CLASSIFY,
                "return Unknown(f\"HTTP {facts.status}, code {facts.code}: {facts.message or 'no message'}\")",
                "return Rejected(RejectCode.ORDER_REFUSED, facts.code, facts.message)",
            ),
        ),
        tests=(
            f"{FAULTS}::test_f12_errors_that_leave_the_execution_unknown",
            "tests/venue/test_classify.py::test_everything_else_is_unknown",
        ),
    ),
    Mutation(
        name="duplicate-is-a-reject",
        defence='"Duplicate order sent." means that the order is there',
        faults=("F18",),
        breaks="I6: an order of ours rests at the venue and the ledger calls it refused",
        edits=(
            Edit(
                CLASSIFY,
                'return Unknown("DUPLICATE")',
                "return Rejected(RejectCode.ORDER_REFUSED, facts.code, facts.message)",
            ),
        ),
        tests=(
            "tests/execution/test_faults_outside.py::test_f18_an_order_that_is_there_already_is_adopted",
            "tests/venue/test_classify.py::test_everything_else_is_unknown",
        ),
    ),
    Mutation(
        name="absent-by-one-reply",
        defence="absence needs several replies in a row",
        faults=("F6",),
        breaks="I5: a filled order that a lagging database does not show yet is written off",
        edits=(Edit(RESOLVER, "if replies < self._settings.absent_replies:", "if replies < 1:"),),
        tests=(f"{RESOLVING}::test_one_reply_after_a_long_silence_is_no_proof",),
    ),
    Mutation(
        name="absent-at-once",
        defence="absence waits for the receive window and the database's lag to pass",
        faults=("F6",),
        breaks="I5, I7: an order that may still be admitted is written off",
        edits=(
            Edit(
                RESOLVER,
                "return self._clock.now_ms() - sent_ms >= self._settings.recv_window_ms + self._settings.settle_ms",
                "return True",
            ),
        ),
        tests=(
            f"{FAULTS}::test_f6_the_request_is_lost",
            f"{RESOLVING}::test_a_reply_of_no_such_order_is_no_proof",
        ),
    ),
    Mutation(
        name="absent-without-a-cancel",
        defence="the matching engine is asked by a cancel that must find nothing",
        faults=("F6", "F10"),
        breaks="I4: the intent's next order is sent while the first one rests",
        edits=(
            Edit(
                DESK,
                "        if not isinstance(outcome, Rejected) or outcome.code is not RejectCode.UNKNOWN_ORDER:\n"
                "            return False\n",
                "",
            ),
        ),
        tests=(f"{RESOLVING}::test_a_hidden_order_that_rests_is_not_absent",),
    ),
    Mutation(
        name="absent-beside-a-strangers-trade",
        defence="no trade may have come that belongs to no order of ours",
        faults=("F6",),
        breaks="I5, I4: the order filled, its trade is there, and another one is sent",
        edits=(
            Edit(
                DESK,
                "        if any(\n"
                "            trade.trade_id not in self.works.seen and trade.time_ms >= work.sent_ms - _CLOCKS_MS"
                " for trade in strangers\n"
                "        ):\n"
                "            return False\n",
                "",
            ),
        ),
        tests=(f"{RESOLVING}::test_a_trade_of_nobody_keeps_an_order_from_being_absent",),
    ),
    Mutation(
        name="cancel-of-nothing-is-a-cancel",
        defence="-2011 to a cancel is a question after the order, not its end",
        faults=("F9", "F10"),
        breaks="I4, I6: an order that filled, or still rests, is taken for cancelled",
        edits=(
            Edit(
                DESK,
                "        else:\n            await self._save(sent)\n        child = self.planner.child(cancel.key)\n",
                "        else:\n"
                "            await self._save(sent)\n"
                "            self.planner.on_never_arrived(cancel.key)\n"
                "        child = self.planner.child(cancel.key)\n",
            ),
        ),
        tests=(
            f"{FAULTS}::test_f9_a_fill_races_the_cancel",
            f"{FAULTS}::test_f10_cancels_time_out",
        ),
    ),
    Mutation(
        name="next-child-too-early",
        defence="the next order of an intent waits until the venue calls the one before terminal",
        faults=("F9", "F10"),
        breaks="I4: two orders of one intent are alive",
        edits=(
            Edit(
                PLANNER,
                "if not wanted or self.entry is not None or self.muted or self.entries_blocked:",
                "if not wanted or self.muted or self.entries_blocked:",
            ),
        ),
        tests=(f"{FAULTS}::test_f10_cancels_time_out",),
    ),
    Mutation(
        name="two-sells",
        defence="a pair and a market exit are one sell: coins are sold once",
        faults=("F9",),
        breaks="I4: the same coins are offered by two orders",
        edits=(
            Edit(
                PLANNER,
                "if self.sale is not None or self.muted or not position.held or self._sends >= SENDS_PER_BAR:",
                "if self.muted or not position.held or self._sends >= SENDS_PER_BAR:",
            ),
        ),
        tests=(f"{FAULTS}::test_f9_a_fill_races_the_cancel",),
    ),
    Mutation(
        name="caller-cancels-the-work",
        defence="work belongs to the engine: whoever waits for it may be cancelled",
        faults=("F24",),
        breaks="I4, I5: an order is torn off in the middle, and its fill has no stop",
        edits=(
            Edit(
                "huracan/execution/tasks.py",
                "return await asyncio.shield(self._spawn(work, self.commands))",
                "return await self._spawn(work, self.commands)",
            ),
        ),
        tests=(
            f"{FAULTS}::test_f24_the_caller_is_cancelled",
            "tests/execution/test_tasks.py::test_work_outlives_its_caller",
        ),
    ),
    Mutation(
        name="caller-cancels-the-post",
        defence="a POST is shielded from the cancellation of its caller",
        faults=("F24",),
        breaks="I7: an order is at the venue and its answer is thrown away",
        edits=(Edit(VENUE, "return await asyncio.shield(task)", "return await task"),),
        tests=("tests/venue/test_binance.py::test_a_cancelled_caller_leaves_one_order_and_its_outcome",),
    ),
    Mutation(
        name="intent-decided-twice",
        defence="an intent that was decided is not decided again",
        faults=("F23",),
        breaks="I4: one decision, repeated after its order found no taker, sends another",
        edits=(
            Edit(
                "huracan/execution/decisions.py",
                "            if self._is_new(written):",
                "            if True:",
            ),
        ),
        tests=("tests/execution/test_faults_outside.py::test_f23_a_decision_comes_twice_late_or_never",),
    ),
    Mutation(
        name="late-decision-trades",
        defence="an entry is decided at the last close, or not at all",
        faults=("F16", "F23"),
        breaks="I13: a decision on a market that has moved on is priced and sized by another one",
        edits=(Edit("huracan/execution/decisions.py", "        if late_ms != 0:\n", "        if False:\n"),),
        tests=(
            "tests/execution/test_faults_outside.py::test_f16_a_close_that_was_left_out",
            "tests/execution/test_faults_outside.py::test_f23_a_decision_comes_twice_late_or_never",
        ),
    ),
)
