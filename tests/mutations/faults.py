"""F1 to F24: what strikes, what must hold all the same, and the tests that say so."""

from tests.mutations.kinds import Fault

__all__ = ["FAULTS", "INVARIANTS"]

_ENGINE = "tests/execution/test_faults.py"
_EDGE = "tests/execution/test_faults_outside.py"
_STORE = "tests/execution/test_memory_store.py::TestMemoryStore"
_POSTGRES = "tests/execution/test_postgres_store.py"
_VENUE = "tests/venue/test_binance.py"
_GATE = "tests/risk/test_gate.py"

INVARIANTS: dict[str, str] = {
    "I1": "money: every asset's ledger sums to zero, free + locked is the total, neither is negative",
    "I2": "position: coins held are the sum of all fills less the fees paid in coin",
    "I3": "sums: what an order filled and cost is the sum of its fills; more than its quantity is flagged and halts",
    "I4": "no double order: one living order per intent, no more filled than intended, each client id POSTed once",
    "I5": "no lost fill: our trade ids are the venue's",
    "I6": "no orphan: every order at the venue is ours or alarmed, and nothing stays undecided",
    "I7": "no phantom: no status without the venue's word; what was never marked as sent was never sent",
    "I8": "risk holds while an outcome is unknown: what it counts is never less than the venue's exposure",
    "I9": "halt: nothing that enlarges is sent after it, and cancels still are",
    "I10": "monotone: statuses, fills, cursors and histories only go forward",
    "I11": "recovery twice is recovery once",
    "I12": "equal worlds: the history folded again gives the projections, bit for bit",
    "I13": "numbers: every price and quantity is exact, finite, positive and on its grid",
}
"""The invariants in words; `huracan.execution.invariants` checks them."""

FAULTS: tuple[Fault, ...] = (
    Fault(
        "F1",
        "killed after the order is written down (T1), before it is marked as sent (T2)",
        "NEVER_SENT, its money is free, the venue has not seen its id (I7)",
        (
            f"{_ENGINE}::test_f1_killed_before_the_order_is_marked_as_sent",
            f"{_STORE}::test_an_order_that_was_never_sent_is_abandoned",
        ),
    ),
    Fault(
        "F2",
        "killed after T2, before the socket write",
        'proven absent, REJECTED "never arrived", its id is not sent again (I7)',
        (f"{_ENGINE}::test_f2_killed_before_the_socket_write",),
    ),
    Fault(
        "F3",
        "killed after the venue accepted, before anything is booked (T3)",
        "adopted by its id, fills fetched, one POST, its stop at the venue (I4, I5)",
        (f"{_ENGINE}::test_f3_f4_killed_after_the_venue_accepted",),
    ),
    Fault(
        "F4",
        "killed between two writes",
        "a fill, its money and the position that follows are one transaction: all or nothing (I2, I12)",
        (
            f"{_EDGE}::test_f4_killed_after_any_write",
            f"{_ENGINE}::test_f3_f4_killed_after_the_venue_accepted",
            f"{_STORE}::test_a_fact_of_no_order_is_refused_whole",
        ),
    ),
    Fault(
        "F5",
        "the answer is lost after the order was taken: silence, reset, cut, HTML, nothing",
        "UNKNOWN, one POST, found by its id, protected (I4, I5)",
        (
            f"{_ENGINE}::test_f5_the_answer_is_lost_after_the_order_filled",
            "tests/venue/test_classify.py::test_a_reply_that_does_not_say_enough_is_unknown",
        ),
    ),
    Fault(
        "F6",
        "the request is lost before the venue took it",
        "absence is proven first, then another order of the intent under a new id (I4, I8)",
        (
            f"{_ENGINE}::test_f6_the_request_is_lost",
            "tests/execution/test_resolver.py::test_a_reply_of_no_such_order_is_no_proof",
            "tests/execution/test_resolver.py::test_one_reply_after_a_long_silence_is_no_proof",
            "tests/execution/test_resolver.py::test_a_hidden_order_that_rests_is_not_absent",
            "tests/execution/test_resolver.py::test_a_trade_of_nobody_keeps_an_order_from_being_absent",
            "tests/execution/test_resolver.py::test_its_money_stays_reserved_until_it_is_decided",
        ),
    ),
    Fault(
        "F7",
        "a fill comes twice, by stream and by query; or again with other figures (F7b)",
        "one row; the first figures stay, an alarm locks the market (I5)",
        (
            f"{_ENGINE}::test_f7_a_fill_comes_twice",
            f"{_ENGINE}::test_f7b_a_trade_comes_again_with_other_figures",
            f"{_STORE}::test_a_repeated_record_changes_nothing",
            f"{_POSTGRES}::test_the_database_holds_the_sums_itself",
        ),
    ),
    Fault(
        "F8",
        "out of order: a fill before its acknowledgement, FILLED before its trades, a fill after the end",
        "the end is the same for every order of arrival (I3, I10)",
        (
            f"{_ENGINE}::test_f8_events_in_any_order",
            "tests/execution/test_machine.py::test_every_order_of_arrival_ends_the_same",
            "tests/execution/test_working.py::test_a_terminal_status_is_never_taken_back",
            f"{_STORE}::test_an_order_is_not_over_until_its_trades_are_booked",
        ),
    ),
    Fault(
        "F9",
        "a cancel races a fill (-2011), or leaves a part filled",
        "-2011 is a question; what filled stays and is protected; the next order is for the rest (I4)",
        (
            f"{_ENGINE}::test_f9_a_fill_races_the_cancel",
            "tests/execution/test_desk.py::test_a_partial_fill_is_protected_and_the_rest_stays",
        ),
    ),
    Fault(
        "F10",
        "cancels time out",
        "no replacement before the venue calls the order terminal (I4)",
        (
            f"{_ENGINE}::test_f10_cancels_time_out",
            f"{_STORE}::test_one_order_of_an_intent_lives_at_a_time",
        ),
    ),
    Fault(
        "F11",
        "429 with Retry-After, 418, -1003, -1015",
        "a definite refusal; nothing at all leaves before Retry-After; entries are denied meanwhile",
        (
            f"{_EDGE}::test_f11_the_venue_wants_silence",
            f"{_VENUE}::test_nothing_is_sent_before_retry_after",
            "tests/risk/test_breaker.py::test_a_throttled_venue_leads_to_reducing",
        ),
    ),
    Fault(
        "F12",
        "503, -1000, -1001, -1006, -1007, -1008",
        "of an order: UNKNOWN, and asked after; of a question: asked again, with pauses that grow",
        (
            f"{_ENGINE}::test_f12_errors_that_leave_the_execution_unknown",
            "tests/venue/test_classify.py::test_everything_else_is_unknown",
            f"{_VENUE}::test_a_read_is_repeated_until_it_is_proper",
        ),
    ),
    Fault(
        "F13",
        "the clocks differ, or jump; -1021",
        "a definite refusal; nothing is bought until they agree within 500 ms, sells and cancels go on",
        (
            f"{_EDGE}::test_f13_the_clocks_differ",
            f"{_VENUE}::test_a_wrong_clock_pauses_buying_and_nothing_else",
            f"{_VENUE}::test_a_timestamp_refused_pauses_until_the_clocks_are_compared",
        ),
    ),
    Fault(
        "F14",
        "the database is away: before T1, between T1 and T2, after the send; or it is slow",
        "before the send: no order. After: kept in memory and on disk, nothing new is sent, booked when it is back",
        (
            f"{_ENGINE}::test_f14_database_away_before_anything_is_written",
            f"{_EDGE}::test_f14_database_away_between_the_two_writes",
            f"{_ENGINE}::test_f14_database_away_after_the_send",
            "tests/execution/test_halting.py::test_a_halt_needs_no_store",
            f"{_POSTGRES}::test_a_slow_database_is_an_error_in_time",
        ),
    ),
    Fault(
        "F15",
        "the stream stalls, ends, or is connected and silent",
        "questions alone find every fill within their period (I5); old data denies entries",
        (
            "tests/execution/test_watch.py::test_without_any_stream_a_fill_is_protected_within_the_period",
            f"{_EDGE}::test_f15_a_close_that_nobody_can_book",
            "tests/venue/test_user_stream.py::test_a_lost_connection_is_made_anew",
            f"{_GATE}::test_each_case_is_denied_with_its_code",
        ),
    ),
    Fault(
        "F16",
        "a gap in the depth stream, a crossed book, a price that is old or cannot be",
        "execution reads closed candles and no book: an impossible candle is no close, an old one denies entries (I13)",
        (
            f"{_EDGE}::test_f16_a_close_that_was_left_out",
            "tests/trader/test_market_data.py::test_a_candle_that_cannot_be_counts_as_missing",
            "tests/execution/test_feed.py::test_impossible_candles_are_refused",
            f"{_GATE}::test_each_case_is_denied_with_its_code",
            "tests/paper/test_feed.py::test_f16_an_update_is_left_out",
            "tests/paper/test_feed.py::test_f16_a_crossed_book_and_its_repair",
        ),
    ),
    Fault(
        "F17",
        "two executors: one slept, the other took over, the first wakes up",
        "the epoch refuses its writes before it can send (I4)",
        (
            f"{_ENGINE}::test_f17_an_executor_whose_lease_is_gone_sends_nothing",
            "tests/execution/test_submit.py::test_a_lease_that_ran_out_sends_nothing",
            f"{_STORE}::test_a_fenced_holder_cannot_mark_an_order_sent",
        ),
        (f"{_POSTGRES}::test_two_processes_cannot_both_write",),
    ),
    Fault(
        "F18",
        "-2010 (no balance, would match, duplicate), -1013, a market that is halted",
        "definite: money is free, nothing is hammered; a duplicate is there and is adopted",
        (
            f"{_ENGINE}::test_f18_money_that_is_not_there",
            f"{_EDGE}::test_f18_a_halted_market_takes_no_orders",
            f"{_EDGE}::test_f18_an_order_that_is_there_already_is_adopted",
            "tests/venue/test_classify.py::test_a_definite_reply_is_a_rejection",
            "tests/execution/test_planner.py::test_a_refused_market_exit_is_not_hammered",
        ),
    ),
    Fault(
        "F19",
        "EXPIRED with a remainder, EXPIRED_IN_MATCH",
        "terminal; the remainder is planned anew",
        (
            f"{_ENGINE}::test_f19_what_the_market_does_not_take_is_sold_again",
            "tests/execution/test_working.py::test_the_venues_words_as_facts",
        ),
    ),
    Fault(
        "F20",
        "an order by hand, a deposit, a trade of nobody",
        "alarmed and locked, or trading reduces; a start is refused until a person accepts (I1, I6)",
        (
            f"{_ENGINE}::test_f20_an_order_that_is_not_ours",
            f"{_ENGINE}::test_f20_money_that_nobody_explains",
            f"{_STORE}::test_an_external_trade_is_booked_and_halts",
        ),
    ),
    Fault(
        "F21",
        "fees in a third asset",
        "booked in their asset, and money is right in each (I1)",
        (
            f"{_ENGINE}::test_f21_fees_in_a_third_asset",
            f"{_STORE}::test_fees_in_a_third_asset_and_rebates",
        ),
    ),
    Fault(
        "F22",
        "NaN, infinite, negative or out of range, from a policy or a feed",
        "denied with a code (I13)",
        (
            f"{_ENGINE}::test_f22_what_is_no_action_is_denied",
            f"{_GATE}::test_each_case_is_denied_with_its_code",
            f"{_GATE}::test_each_rule_is_needed",
        ),
    ),
    Fault(
        "F23",
        "whoever decides dies in between, is slow, or is asked twice",
        "no order or exactly one; none of a close that has passed (I4)",
        (
            f"{_EDGE}::test_f23_a_decision_comes_twice_late_or_never",
            "tests/execution/test_decisions.py::test_an_intent_repeated_is_one_intent",
        ),
    ),
    Fault(
        "F24",
        "the caller is cancelled in the middle of a POST; SIGTERM",
        "the order is finished, booked and protected (I4, I5)",
        (
            f"{_ENGINE}::test_f24_the_caller_is_cancelled",
            f"{_VENUE}::test_a_cancelled_caller_leaves_one_order_and_its_outcome",
            f"{_VENUE}::test_a_loop_that_goes_down_leaves_an_unknown_order",
        ),
        (
            "tests/commands/test_trade.py::test_five_minutes_of_market",
            "tests/commands/test_trade.py::test_ctrl_c_leaves_the_bracket_and_the_next_start_goes_on",
        ),
    ),
)
