"""Defences of the books: every trade once, money reserved until a fact, one transaction, one writer."""

from tests.mutations.kinds import Edit, Mutation

__all__ = ["BOOKS"]

BOOK = "huracan/execution/book.py"
WORKING = "huracan/execution/working.py"
JOURNAL = "huracan/execution/journal.py"
START = "huracan/execution/start.py"
FAULTS = "tests/execution/test_faults.py"
OUTSIDE = "tests/execution/test_faults_outside.py"
MEMORY = "tests/execution/test_memory_store.py::TestMemoryStore"
POSTGRES = "tests/execution/test_postgres_store.py"

BOOKS = (
    Mutation(
        name="trades-counted-by-report",
        defence="a trade is known by its id, wherever it comes from",
        faults=("F7",),
        breaks="I2, I5: stream and query together buy twice",
        edits=(
            Edit(
                WORKING,
                "owner, first = self.leg_of(trade), self.seen.get(trade.trade_id)",
                "owner, first = self.leg_of(trade), None",
            ),
        ),
        tests=(
            f"{FAULTS}::test_f7_a_fill_comes_twice",
            "tests/execution/test_working.py::test_trades_are_sorted_and_counted_once",
        ),
    ),
    Mutation(
        name="ledger-takes-a-trade-twice",
        defence="the ledger books a trade id once",
        faults=("F7",),
        breaks="I1, I2, I3: money and coins of one trade move twice",
        edits=(Edit(BOOK, "        if fill.key in booked:\n", "        if False:\n"),),
        tests=(f"{MEMORY}::test_a_repeated_record_changes_nothing",),
    ),
    Mutation(
        name="no-unique-trade-in-postgres",
        defence="the database's unique key of a trade",
        faults=("F7",),
        breaks="I5: whatever writes, a trade may stand there twice",
        edits=(
            Edit(
                "huracan/memory/migrations/versions/v0002_trade.py",
                "CONSTRAINT fills_key UNIQUE (market_no, trade_id)",
                "CONSTRAINT fills_key UNIQUE (market_no, trade_id, fill_no)",
            ),
        ),
        tests=(f"{POSTGRES}::test_the_database_holds_the_sums_itself",),
    ),
    Mutation(
        name="changed-trade-is-ignored",
        defence="a trade that comes again with other figures is an alarm and locks its market",
        faults=("F7",),
        breaks="I5: two truths of one trade, and nobody is told",
        edits=(Edit(BOOK, "    if first.figures != fill.figures:\n", "    if False:\n"),),
        tests=(
            f"{FAULTS}::test_f7b_a_trade_comes_again_with_other_figures",
            f"{MEMORY}::test_a_trade_with_other_figures_halts_its_symbol",
        ),
    ),
    Mutation(
        name="terminal-taken-back",
        defence="a terminal status is never taken back by an older word",
        faults=("F8",),
        breaks="I10: what is over works again",
        edits=(
            Edit(
                WORKING,
                "        if not self.over:\n            self.status = order.status\n",
                "        self.status = order.status\n",
            ),
        ),
        tests=("tests/execution/test_working.py::test_a_terminal_status_is_never_taken_back",),
    ),
    Mutation(
        name="released-before-its-trades",
        defence="a reservation goes with the order's last trade, not with its last word",
        faults=("F8", "F19"),
        breaks="I8: what the venue has executed and nobody has booked counts for nothing",
        edits=(
            Edit(
                BOOK,
                "if all(delta.order(order.cid).complete for order in siblings if order.draft.ref == ref):",
                "if all(delta.order(order.cid).terminal for order in siblings if order.draft.ref == ref):",
            ),
        ),
        tests=(f"{MEMORY}::test_an_order_is_not_over_until_its_trades_are_booked",),
    ),
    Mutation(
        name="unknown-releases-its-money",
        defence="money stays reserved as long as an outcome is unknown",
        faults=("F5", "F6"),
        breaks="I8, I1: the same money is spent twice",
        edits=(
            Edit(
                BOOK,
                "if all(delta.order(order.cid).complete for order in siblings if order.draft.ref == ref):",
                "if all(delta.order(order.cid).status is not Status.SUBMITTED for order in siblings"
                " if order.draft.ref == ref):",
            ),
        ),
        tests=("tests/execution/test_resolver.py::test_its_money_stays_reserved_until_it_is_decided",),
    ),
    Mutation(
        name="unknown-releases-its-risk",
        defence="risk counts an entry until the venue's word on it is booked",
        faults=("F5", "F6"),
        breaks="I8: exposure as risk sees it is less than the venue's",
        edits=(
            Edit(
                "huracan/execution/decisions.py",
                "if planner.entry is None and int(planner.position.slot.want) == 0:",
                "if planner.entry is None or not planner.settled:",
            ),
        ),
        tests=("tests/execution/test_resolver.py::test_its_money_stays_reserved_until_it_is_decided",),
    ),
    Mutation(
        name="stranger-before-its-name",
        defence="a trade of nobody waits while an order of ours has no venue id yet",
        faults=("F5", "F6"),
        breaks="I5, I6: the fill of an unknown order is booked as a stranger's, and its market is locked",
        edits=(
            Edit(WORKING, "            if owner is None and first is None and doubt:\n", "            if False:\n"),
        ),
        tests=("tests/execution/test_working.py::test_a_strangers_trade_waits_while_an_order_has_no_name_yet",),
    ),
    Mutation(
        name="late-trade-is-old",
        defence="a trade that is shown after a newer one is booked when its order lacks it",
        faults=("F8", "F15"),
        breaks="I5: the cursor has passed a fill, and nobody asks for it again",
        edits=(
            Edit(
                WORKING,
                "            if first is None and passed and not lacking:",
                "            if first is None and passed:",
            ),
        ),
        tests=("tests/execution/test_working.py::test_a_trade_that_the_venue_shows_late_is_not_lost",),
    ),
    Mutation(
        name="revived-in-silence",
        defence="an order that was proven absent and comes back is an alarm",
        faults=("F6",),
        breaks="I7: the ledger calls refused what the venue works on, and nobody is told",
        edits=(Edit(BOOK, "    if order.status in _ABSENT and fact.trigger in _REVIVING:\n", "    if False:\n"),),
        tests=("tests/execution/test_book.py::test_a_revived_order_is_an_alarm",),
    ),
    Mutation(
        name="pair-reserved-twice",
        defence="the two legs of a pair are one reservation: coins are locked once",
        faults=("F9",),
        breaks="I1, I4: a pair needs twice the coins, or its first leg's end frees those of the second",
        edits=(
            Edit(
                "huracan/execution/orders.py",
                "        return self.list_cid or self.cid\n",
                "        return self.cid\n",
            ),
        ),
        tests=(f"{MEMORY}::test_an_order_list_shares_one_reservation",),
    ),
    Mutation(
        name="siblings-alive",
        defence="the ledger refuses a second living order of one intent",
        faults=("F9", "F10"),
        breaks="I4: two orders of one intent are alive, and nothing below the planner objects",
        edits=(
            Edit(
                BOOK,
                "if live := [order.cid for order in others if not order.complete]:",
                "if live := [order.cid for order in others if order.seq < 0]:",
            ),
        ),
        tests=(f"{MEMORY}::test_one_order_of_an_intent_lives_at_a_time",),
    ),
    Mutation(
        name="marked-twice",
        defence="T2 refuses an order that is marked as sent already",
        faults=("F2", "F3"),
        breaks="I4: a client id may be POSTed a second time",
        edits=(
            Edit(
                BOOK,
                "if order is None or order.status is not Status.SUBMITTED or order.sent_ms is not None:",
                "if order is None or order.status is not Status.SUBMITTED:",
            ),
        ),
        tests=(
            "tests/execution/test_book.py::test_an_order_marked_sent_stays_marked",
            f"{MEMORY}::test_an_order_is_sent_once",
        ),
    ),
    Mutation(
        name="slot-in-a-transaction-of-its-own",
        defence="a fill and the position that follows from it are one transaction",
        faults=("F4",),
        breaks="I2, I12: after a crash between the two the books do not agree",
        edits=(
            Edit(
                "huracan/execution/desk.py",
                "            booked = await self._journal.book(record)\n            self._saved = data\n",
                "            booked = await self._journal.book(\n"
                "                Record(facts=facts, fills=fills, cursors=cursors or {}, trades=trades)\n"
                "            )\n"
                "            await self._journal.book(Record(slots=slots))\n"
                "            self._saved = data\n",
            ),
        ),
        tests=(f"{OUTSIDE}::test_f4_killed_after_any_write",),
    ),
    Mutation(
        name="expired-is-still-working",
        defence="an expired order is over, and its remainder is planned anew",
        faults=("F19",),
        breaks="I6: what the market did not take is neither sold nor at work",
        edits=(Edit(WORKING, "    VenueStatus.EXPIRED: Trigger.EXPIRE,\n", ""),),
        tests=(
            f"{FAULTS}::test_f19_what_the_market_does_not_take_is_sold_again",
            "tests/execution/test_working.py::test_the_venues_words_as_facts",
        ),
    ),
    Mutation(
        name="fee-in-the-wrong-asset",
        defence="a fee is booked in the asset that paid it",
        faults=("F21",),
        breaks="I1: balances of coin and third asset differ from the venue's",
        edits=(
            Edit(
                "huracan/execution/ledger.py",
                "spend(fill.commission_asset, fill.commission, Account.FEES)",
                "spend(base, fill.commission, Account.FEES)",
            ),
        ),
        tests=(
            f"{FAULTS}::test_f21_fees_in_a_third_asset",
            f"{MEMORY}::test_fees_in_a_third_asset_and_rebates",
        ),
    ),
    Mutation(
        name="sends-while-the-store-is-away",
        defence="nothing new is sent while something waits for the store",
        faults=("F14",),
        breaks="I7, I8: an order follows from books that nobody can read after a crash",
        edits=(Edit(JOURNAL, "return bool(self._waiting or self._doubtful)", "return False"),),
        tests=(f"{FAULTS}::test_f14_database_away_after_the_send",),
    ),
    Mutation(
        name="journal-in-memory-alone",
        defence="what waits for the store is on disk before anything else happens",
        faults=("F14",),
        breaks="I12: a crash loses what the store did not take",
        edits=(Edit(JOURNAL, '            file.write(line + "\\n")\n', ""),),
        tests=("tests/execution/test_journal.py::test_what_waits_is_booked_in_order_and_once",),
    ),
    Mutation(
        name="journal-of-a-fenced-process",
        defence="what a process left on disk counts only where the store still stands as it left it",
        faults=("F14", "F17"),
        breaks="I2: an old position is written over its successor's",
        edits=(
            Edit(
                JOURNAL,
                'if any(slots.get(symbol, "") not in (before[symbol], after[symbol]) for symbol in after):',
                "if False:",
            ),
        ),
        tests=("tests/execution/test_journal.py::test_what_a_fenced_process_wrote_does_not_undo_its_successor",),
    ),
    Mutation(
        name="asked-one-after-the-other",
        defence="at a start every order of unknown fate is asked for before one of them is waited for",
        faults=("F2", "F3", "F6"),
        breaks="I6: two of them wait for each other's trade, and the account never starts",
        edits=(
            Edit(
                START,
                "        unknown = [work.key for work in desk.alive if not await desk.inquire(work.key)]\n",
                "        unknown = []\n"
                "        for work in desk.alive:\n"
                "            if not await desk.inquire(work.key):\n"
                "                await self._resolver.resolve(desk, work.key)\n",
            ),
        ),
        tests=("tests/execution/test_start.py::test_two_children_of_unknown_fate_do_not_wait_for_each_other",),
    ),
    Mutation(
        name="doubts-are-dropped",
        defence="an order that T1 or T2 may have written is settled when the store is back",
        faults=("F14",),
        breaks="I6: a row without an order holds its money for ever",
        edits=(Edit(JOURNAL, "        self._doubtful.append((cid, reason, at_ms))\n", "        return\n"),),
        tests=(f"{OUTSIDE}::test_f14_database_away_between_the_two_writes",),
    ),
    Mutation(
        name="no-epoch-in-memory",
        defence="every write states its epoch, and an old one writes nothing (store in memory)",
        faults=("F17",),
        breaks="I4: a holder that slept writes and sends beside the new one",
        edits=(
            Edit(
                "huracan/execution/memory_store.py",
                "if held is None or (held.account, held.epoch) != (lease.account, lease.epoch):",
                "if False:",
            ),
        ),
        tests=(
            f"{FAULTS}::test_f17_an_executor_whose_lease_is_gone_sends_nothing",
            f"{MEMORY}::test_a_fenced_holder_cannot_mark_an_order_sent",
        ),
    ),
    Mutation(
        name="no-epoch-in-postgres",
        defence="every write states its epoch, and an old one writes nothing (Postgres)",
        faults=("F17",),
        breaks="I4: a holder that slept writes and sends beside the new one",
        edits=(
            Edit(
                "huracan/execution/postgres_store.py",
                "for statement in (fence, *statements)",
                'for statement in (("SELECT 1", ()), *statements)',
            ),
        ),
        tests=(
            f"{POSTGRES}::TestPostgresStore::test_a_fenced_holder_cannot_mark_an_order_sent",
            f"{POSTGRES}::test_two_processes_cannot_both_write",
        ),
    ),
    Mutation(
        name="lease-believed-for-ever",
        defence="a lease that could not be renewed in time is over",
        faults=("F14", "F17"),
        breaks="I4: while the store is silent a second executor takes over, and the first goes on",
        edits=(
            Edit("huracan/execution/lease.py", "                if not self.valid:\n", "                if False:\n"),
        ),
        tests=("tests/execution/test_lease.py::test_a_silent_store_ends_the_lease_in_time",),
    ),
    Mutation(
        name="start-asks-nobody",
        defence="the start asks after every order that is not over",
        faults=("F2", "F3", "F14"),
        breaks="I5, I6: an order of the time before a crash is forgotten",
        edits=(
            Edit(
                START,
                "        unknown = [work.key for work in desk.alive if not await desk.inquire(work.key)]\n",
                "        unknown = []\n        for work in desk.alive:\n            desk.works.by_key.pop(work.key)\n",
            ),
        ),
        tests=(
            f"{FAULTS}::test_f2_killed_before_the_socket_write",
            f"{FAULTS}::test_f3_f4_killed_after_the_venue_accepted",
        ),
    ),
    Mutation(
        name="starts-on-books-that-differ",
        defence="a start on books that do not agree is refused",
        faults=("F20", "F4"),
        breaks="I1, I2, I6: trading goes on from figures that are wrong",
        edits=(Edit(START, "        if reasons:\n", "        if False:\n"),),
        tests=(
            f"{FAULTS}::test_f20_money_that_nobody_explains",
            "tests/execution/test_start.py::test_a_slot_that_differs_from_the_fills_is_refused",
        ),
    ),
    Mutation(
        name="strangers-are-welcome",
        defence="an order that is not ours is an alarm and locks its market",
        faults=("F20",),
        breaks="I6: orders of others rest and trading goes on",
        edits=(
            Edit(
                "huracan/execution/desk.py",
                "            self._asides.append(Record(alarms=(alarm,)))\n\n    # ---- questions",
                "            del alarm\n\n    # ---- questions",
            ),
        ),
        tests=(f"{FAULTS}::test_f20_an_order_that_is_not_ours",),
    ),
    Mutation(
        name="money-unexplained",
        defence="a difference of the balances that stays reduces trading",
        faults=("F20",),
        breaks="I1, I6: deposits and manual trades go unnoticed",
        edits=(Edit("huracan/execution/watch.py", '                await self._reduce("engine", row.words)\n', ""),),
        tests=(f"{FAULTS}::test_f20_money_that_nobody_explains",),
    ),
)
