"""The account: reads repeat and commands do not, nothing is sent before Retry-After, clocks, cancellation."""

import asyncio
import itertools
import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huracan.errors import DataError, InvariantError, VenueError
from huracan.venue.budget import WeightBudget
from huracan.venue.orders import (
    Accepted,
    Balance,
    OrderKind,
    OrderRequest,
    RejectCode,
    Rejected,
    Side,
    Unknown,
    VenueStatus,
)
from huracan.venue.public import PublicVenue
from tests.venue.replies import (
    BUY,
    OCO,
    cancel_body,
    cancel_list_body,
    info_body,
    oco_reply,
    order_reply,
    query_body,
    trade_body,
)
from tests.venue.scripted import Answer, error, reply, run, serving, venue_at
from tests.venue.virtual import START_MS, LoopClock, Script, virtually

SELL = OrderRequest("h0123456789abcdef-2", "ADA/USDT", Side.SELL, OrderKind.MARKET, Decimal("12.3"), None)
ACCOUNT = {"balances": [{"asset": "ADA", "free": "1", "locked": "2"}]}
LATE = error(400, -1021, "Timestamp for this request is outside of the recvWindow.")
PASSING = {
    "500": Answer(500, "<html>"),
    "502": Answer(502, "<html>"),
    "-1000": error(500, -1000, "unknown"),
    "-1007": error(504, -1007, "timeout"),
    "-1008": error(503, -1008, "busy"),
    "403": Answer(403, "<html>"),
    "html": Answer(200, "<html>maintenance</html>"),
    "empty": Answer(200, ""),
    "half": Answer(200, json.dumps(ACCOUNT)[:20]),
    "odd": reply({"balances": [{"asset": "ADA", "free": "NaN", "locked": "0"}]}),
    "reset": Answer(fate="reset"),
    "hang": Answer(fate="hang"),
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_read_is_repeated_until_it_is_proper(fault):
    """Whatever passes by is asked again, with pauses that grow and are not all alike."""
    script = Script(PASSING[fault], PASSING[fault], reply(ACCOUNT))
    found = virtually(script, lambda venue, clock: venue.balances())
    assert found == {"ADA": Balance(Decimal(1), Decimal(2))}
    assert len(script.asked) == 3


@pytest.mark.parametrize("fault", PASSING)
def test_a_read_gives_up(fault):
    """After five attempts a read is a VenueError of one line."""
    script = Script(*[PASSING[fault]] * 5)
    with pytest.raises(VenueError, match="5 attempts") as caught:
        virtually(script, lambda venue, clock: venue.balances())
    assert "\n" not in str(caught.value)


def test_pauses_grow_and_are_spread():
    """Each pause lies between half and the whole of a doubling bound, and another seed gives others."""

    def pauses(seed):
        script = Script(*[Answer(500)] * 5)
        with pytest.raises(VenueError):
            virtually(script, lambda venue, clock: venue.balances(), seed=seed)
        times = [one.at_s for one in script.asked]
        return [later - earlier for earlier, later in itertools.pairwise(times)]

    for pause, bound in zip(pauses(1), (0.25, 0.5, 1.0, 2.0), strict=True):
        assert bound / 2 <= pause <= bound
    assert pauses(1) == pauses(1)
    assert pauses(1) != pauses(2)


@pytest.mark.parametrize(
    "answer", [error(400, -1121, "Invalid symbol."), error(401, -2015, "key"), error(400, -2026, "old")]
)
def test_a_read_that_is_refused_is_not_repeated(answer):
    """Asking again does not change a refusal."""
    script = Script(answer)
    with pytest.raises(VenueError, match=str(json.loads(answer.body)["code"])):
        virtually(script, lambda venue, clock: venue.order("ADA/USDT", "x"))


def test_an_order_is_absent_only_when_the_venue_says_so():
    """-2013 with HTTP 400 means that there is none; for lists -2018 as well; nothing else does."""
    absent = error(400, -2013, "Order does not exist.")
    assert virtually(Script(absent), lambda venue, clock: venue.order("ADA/USDT", "x")) is None
    lists = Script(absent, error(400, -2018, "Order list does not exist."))

    async def both(venue, clock):
        return [await venue.order_list("x"), await venue.order_list("x")]

    assert virtually(lists, both) == [None, None]
    for other in (error(500, -2013, "Order does not exist."), Answer(404, "<html>"), reply(query_body())):
        with pytest.raises(VenueError):
            virtually(Script(*[other] * 5), lambda venue, clock: venue.order("ADA/USDT", "x"))


def test_what_is_asked_is_read():
    """Orders by our id, open orders, lists, executions and times, with the venue's parameters."""
    script = Script(
        reply(info_body()),
        reply(query_body()),
        reply([query_body()]),
        reply([oco_reply(), oco_reply(symbol="XYZUSDT")]),
        reply(oco_reply()),
        reply([trade_body(7), trade_body(9)]),
        reply([trade_body(9, 28)]),
    )

    async def steps(venue, clock):
        filters = await venue.instruments(["ADA/USDT"])
        order = await venue.order("ADA/USDT", BUY.cid)
        resting = await venue.open_orders("ADA/USDT")
        lists = await venue.open_lists()
        one = await venue.order_list("hlist-1")
        trades = await venue.trades("ADA/USDT", from_id="7")
        of_order = await venue.trades("ADA/USDT", venue_id="28", limit=5)
        return filters, order, resting, lists, one, trades, of_order, await venue.server_time_ms()

    filters, order, resting, lists, one, trades, of_order, now_ms = virtually(script, steps)
    assert list(filters) == ["ADA/USDT"]
    assert (order.status, order.filled) == (VenueStatus.PARTIALLY_FILLED, Decimal("2.3"))
    assert resting == (order,)
    assert [found.symbol for found in lists] == ["ADA/USDT", "XYZUSDT"]
    assert one.cids == ("hbelow-1", "habove-1")
    assert ([trade.trade_id for trade in trades], [trade.trade_id for trade in of_order]) == (["7", "9"], ["9"])
    assert START_MS <= now_ms < START_MS + 1_000
    asked = {
        name: script.asked[at].params.get(name)
        for at, name in ((1, "origClientOrderId"), (5, "fromId"), (6, "orderId"))
    }
    assert asked == {"origClientOrderId": BUY.cid, "fromId": "7", "orderId": "28"}


@pytest.mark.parametrize(
    ("rows", "arguments"),
    [
        ([trade_body(9), trade_body(7)], {}),
        ([trade_body(7), trade_body(7)], {}),
        ([trade_body(7)], {"from_id": "8"}),
        ([trade_body(7, 29)], {"venue_id": "28"}),
        ([trade_body(7, symbol="BTCUSDT")], {}),
        ([trade_body(7, qty="0")], {}),
        ([trade_body(7, commission="0,1")], {}),
        ({"rows": []}, {}),
    ],
)
def test_executions_that_cannot_be_are_not_believed(rows, arguments):
    """Out of order, doubled, of another order or market, empty, inexact: no proper answer."""
    with pytest.raises(VenueError):
        virtually(Script(*[reply(rows)] * 5), lambda venue, clock: venue.trades("ADA/USDT", **arguments))


def test_an_unknown_market_is_bad_input():
    """A market that the venue does not have is named."""
    with pytest.raises(DataError, match="XXX/USDT"):
        virtually(Script(reply(info_body())), lambda venue, clock: venue.instruments(["ADA/USDT", "XXX/USDT"]))


def test_nothing_is_sent_before_retry_after():
    """After a 429 no request of any kind leaves until the venue's time is over; then reads go on by themselves."""
    script = Script(error(429, -1003, "slow down", Retry_After="7"), reply(ACCOUNT))

    async def steps(venue, clock):
        await venue.sync_clock()
        read = asyncio.ensure_future(venue.balances())
        await asyncio.sleep(1)
        refused = [await venue.submit(BUY), await venue.submit_oco(OCO), await venue.cancel("ADA/USDT", "x")]
        await read
        return refused

    refused = virtually(script, steps)
    assert [outcome.code for outcome in refused] == [RejectCode.RATE_LIMIT] * 3
    assert all(outcome.message.startswith("not sent") for outcome in refused)
    assert [outcome.retry_after_s for outcome in refused] == pytest.approx([6.0] * 3, abs=0.01)
    first, second = script.asked
    assert second.at_s - first.at_s >= 7.0


def test_a_rejected_order_blocks_the_next_one():
    """The Retry-After of a rejected POST holds for what follows; without the header it is a minute."""
    for headers, wait_s in (({"Retry_After": "90"}, 90), ({"retry_after": "3"}, 3), ({}, 60)):
        script = Script(error(429, -1015, "Too many new orders.", **headers), reply(cancel_body()))

        async def steps(venue, clock, wait_s=wait_s):
            outcomes = [await venue.submit(BUY), await venue.submit(SELL)]
            await asyncio.sleep(wait_s + 0.01)
            return [*outcomes, await venue.cancel("ADA/USDT", BUY.cid)]

        first, second, third = virtually(script, steps)
        assert (first.code, second.code) == (RejectCode.ORDER_LIMIT, RejectCode.RATE_LIMIT)
        assert isinstance(third, Accepted)
        assert len([one for one in script.asked if one.method == "POST"]) == 1
        assert script.asked[1].at_s - script.asked[0].at_s >= wait_s


def test_a_ban_is_said_and_kept():
    """After a 418 of hours nothing is sent: commands are refused, reads raise and say how long."""
    script = Script(error(418, -1003, "banned", Retry_After="7200"))

    async def steps(venue, clock):
        first = await venue.submit(BUY)
        with pytest.raises(VenueError, match=r"asked to wait 7200 s"):
            await venue.balances()
        return first, await venue.cancel("ADA/USDT", "x")

    first, second = virtually(script, steps)
    assert (first.code, first.retry_after_s, second.code) == (RejectCode.BANNED, 7200.0, RejectCode.RATE_LIMIT)
    assert len(script.asked) == 1


def test_retry_after_holds_on_a_real_connection():
    """The same over HTTP, by the server's own log."""

    async def steps():
        async with (
            serving(error(429, -1003, "x", retry_after="1"), reply(ACCOUNT)) as server,
            venue_at(server) as venue,
        ):
            await venue.balances()
            return [one.at_s for one in server.sent("GET", "/account")]

    first, second = run(steps)
    assert second - first >= 0.99


def test_the_used_weight_of_replies_counts_and_cancels_go_on():
    """When others have used our share, reads wait for the next minute; a cancel may use what reads must leave."""
    used = Answer(200, json.dumps(ACCOUNT), {"x-mbx-used-weight-1m": "5000"})
    script = Script(used, reply(cancel_body()), reply(ACCOUNT))

    async def steps(venue, clock):
        await venue.balances()
        read = asyncio.ensure_future(venue.balances())
        await asyncio.sleep(0.5)
        cancelled = await venue.cancel("ADA/USDT", BUY.cid)
        await read
        return cancelled

    assert isinstance(virtually(script, steps), Accepted)
    assert [one.method for one in script.asked] == ["GET", "DELETE", "GET"]
    assert script.asked[1].at_s < 1.0
    assert script.asked[2].at_s >= 60.0


def test_the_venues_limit_is_taken_over():
    """The request weight per minute that exchangeInfo states becomes the budget's."""
    budget = WeightBudget(6_000)
    virtually(Script(reply(info_body())), lambda venue, clock: venue.instruments(["ADA/USDT"]), budget)
    assert budget.limit == 960


def test_public_data_and_the_account_share_one_budget():
    """What one spends or is told to wait holds for the other."""

    async def steps():
        budget = WeightBudget(6_000)
        clock = LoopClock()
        async with (
            serving(error(429, -1003, "x", Retry_After="30")) as server,
            venue_at(server, budget=budget) as venue,
        ):
            slept = []
            public = PublicVenue(base_url=server.url, clock=clock, sleep=slept.append, budget=budget)
            await venue.sync_clock()
            outcome = await venue.cancel("ADA/USDT", "x")
            wait_ms = budget.reserve(1, venue._clock.now_ms())
            public.close()
            return outcome, wait_ms, public._hosts[False].budget is budget

    outcome, wait_ms, shared = run(steps)
    assert outcome.code is RejectCode.RATE_LIMIT
    assert 29_000 < wait_ms <= 30_001
    assert shared


@pytest.mark.parametrize("ahead_ms", [-30_000, -1_500, -500, 500, 1_500, 30_000])
def test_a_wrong_clock_pauses_buying_and_nothing_else(ahead_ms):
    """From 500 ms on no buy is sent; sales, protections, cancels and reads are, signed with the venue's time."""
    script = Script(
        reply(order_reply(SELL)), reply(oco_reply()), reply(cancel_body()), reply(cancel_list_body()), reply(ACCOUNT)
    )

    async def steps(venue, clock):
        clock.ahead_ms = ahead_ms
        skew_ms, paused = await venue.sync_clock(), venue.paused
        buy = await venue.submit(BUY)
        rest = [
            await venue.submit(SELL),
            await venue.submit_oco(OCO),
            await venue.cancel("ADA/USDT", BUY.cid),
            await venue.cancel_oco("ADA/USDT", OCO.list_cid),
        ]
        await venue.balances()
        clock.ahead_ms = 0
        await venue.sync_clock()
        return skew_ms, paused, buy, rest, venue.paused

    skew_ms, paused, buy, rest, paused_after = virtually(script, steps)
    assert (skew_ms, paused, paused_after) == (ahead_ms, True, False)
    assert (buy.code, buy.venue_code) == (RejectCode.CLOCK, None)
    assert all(isinstance(outcome, Accepted) for outcome in rest)
    for one in script.asked:
        assert abs(int(one.params["timestamp"]) - (START_MS + one.at_s * 1_000)) < 5


@pytest.mark.parametrize("ahead_ms", [-499, 0, 499])
def test_a_small_difference_does_not_matter(ahead_ms):
    """Below 500 ms buying goes on."""

    async def steps(venue, clock):
        clock.ahead_ms = ahead_ms
        return await venue.submit(BUY), venue.paused

    outcome, paused = virtually(Script(reply(order_reply())), steps)
    assert isinstance(outcome, Accepted)
    assert not paused


def test_a_timestamp_refused_pauses_until_the_clocks_are_compared():
    """-1021 is a rejection; the next command compares the clocks first, and buying resumes when they agree."""
    script = Script(LATE, reply(order_reply()))

    async def steps(venue, clock):
        assert venue.paused, "never compared"
        await venue.sync_clock()
        assert not venue.paused
        first, paused = await venue.submit(BUY), venue.paused
        return first, paused, await venue.submit(BUY), venue.paused

    first, paused, second, paused_after = virtually(script, steps)
    assert (first.code, first.venue_code, paused) == (RejectCode.CLOCK, -1021, True)
    assert isinstance(second, Accepted)
    assert not paused_after
    assert [one.path.rsplit("/", 1)[1] for one in script.seen] == ["time", "order", "time", "order"]


def test_a_read_mends_its_timestamp():
    """A read refused for its timestamp compares the clocks and asks again."""
    script = Script(LATE, reply(ACCOUNT))

    async def steps(venue, clock):
        await venue.sync_clock()
        clock.ahead_ms = 4_000
        await venue.balances()
        return venue.skew_ms

    assert virtually(script, steps) == 4_000
    assert abs(int(script.asked[1].params["timestamp"]) - (START_MS + script.asked[1].at_s * 1_000)) < 5


def test_without_the_venues_time_only_cancels_are_sent():
    """When GET time has no answer, orders are refused within seconds and a cancel is sent all the same."""
    script = Script(reply(cancel_body()))
    script.time_answers.extend([Answer(fate="hang")] * 50)

    async def steps(venue, clock):
        begin_s = asyncio.get_running_loop().time()
        outcomes = [await venue.submit(BUY), await venue.submit(SELL), await venue.submit_oco(OCO)]
        took_s = asyncio.get_running_loop().time() - begin_s
        return outcomes, took_s, await venue.cancel("ADA/USDT", BUY.cid)

    outcomes, took_s, cancelled = virtually(script, steps)
    assert [outcome.code for outcome in outcomes] == [RejectCode.CLOCK] * 3
    assert took_s < 10
    assert isinstance(cancelled, Accepted)


def test_the_quickest_comparison_counts():
    """A slow reply says little about the clocks: the quickest of three decides."""
    script = Script()

    async def steps(venue, clock):
        now_ms = clock.now_ms()
        script.time_answers.append(Answer(200, json.dumps({"serverTime": now_ms}), delay_s=3.0))
        script.time_answers.append(Answer(200, json.dumps({"serverTime": now_ms + 3_100}), delay_s=0.2))
        script.time_answers.append(Answer(200, json.dumps({"serverTime": now_ms + 9_000}), delay_s=2.0))
        return await venue.sync_clock()

    assert virtually(script, steps) == 0


@pytest.mark.parametrize("body", ['{"serverTime": "1700000000000"}', '{"serverTime": 1.7e12}', "{}", "[]", "<html>"])
def test_a_time_that_is_none_is_not_believed(body):
    """Only a whole number is a time."""
    script = Script()
    script.time_answers.extend([Answer(200, body)] * 5)
    with pytest.raises(VenueError):
        virtually(script, lambda venue, clock: venue.sync_clock())


def test_a_cancelled_caller_leaves_one_order_and_its_outcome():
    """Cancelling the task that submits does not tear the POST off: it is sent once and answered before the close."""

    async def steps():
        answer = reply(order_reply())
        slow = Answer(answer.status, answer.body, answer.headers, delay_s=0.3)
        async with serving(slow) as server, venue_at(server) as venue:
            await venue.sync_clock()
            task = asyncio.ensure_future(venue.submit(BUY))
            while not server.sent("POST"):
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            (inner,) = venue._in_flight
            assert not inner.done()
            await venue.close()
            return len(server.sent("POST")), inner.result()

    count, outcome = run(steps)
    assert count == 1
    assert isinstance(outcome, Accepted)


def test_a_loop_that_goes_down_leaves_an_unknown_order():
    """When the request's own task is cancelled, the order may exist: unknown, never an exception."""

    async def steps(venue, clock):
        await venue.sync_clock()
        task = asyncio.ensure_future(venue.submit(BUY))
        await asyncio.sleep(1)
        (inner,) = venue._in_flight
        inner.cancel()
        return await task

    assert virtually(Script(Answer(fate="hang")), steps) == Unknown("CANCELLED")


def test_closing_waits_for_commands_and_ends_them():
    """close() returns when commands in flight have their outcome; afterwards commands are a defect."""
    slow = reply(order_reply())
    script = Script(Answer(slow.status, slow.body, slow.headers, delay_s=2.0))

    async def steps(venue, clock):
        await venue.sync_clock()
        task = asyncio.ensure_future(venue.submit(BUY))
        await asyncio.sleep(0.1)
        await venue.close()
        assert task.done()
        with pytest.raises(InvariantError, match="closed"):
            await venue.submit(SELL)
        return task.result()

    assert isinstance(virtually(script, steps), Accepted)


FAULTS = st.sampled_from(
    [
        *(Answer(fate=fate) for fate in ("reset", "hang")),
        *(Answer(status, "<html>") for status in (200, 400, 401, 403, 404, 409, 500, 502, 503, 504)),
        *(error(status, code, "x") for status in (400, 500) for code in (-1000, -1006, -1007, -1021, -2010, -2015)),
        error(429, -1003, "x", Retry_After="1"),
        reply(order_reply()),
        reply({}),
    ]
)


@settings(deadline=None)  # other processes share these cores
@given(faults=st.lists(FAULTS, min_size=1, max_size=6))
def test_one_command_is_one_request_whatever_happens(faults):
    """However replies fail in a row, as many POSTs leave as orders were submitted, or fewer; each has an outcome."""
    script = Script(*faults)

    async def steps(venue, clock):
        outcomes = []
        for number in range(len(faults)):
            request = OrderRequest(f"c-{number}", "ADA/USDT", Side.SELL, OrderKind.MARKET, Decimal(1), None)
            outcomes.append(await venue.submit(request))
        script.answers.clear()
        return outcomes

    outcomes = virtually(script, steps)
    sent = [one.params["newClientOrderId"] for one in script.asked]
    assert len(sent) == len(set(sent)) <= len(faults)
    assert all(isinstance(outcome, Accepted | Rejected | Unknown) for outcome in outcomes)
    unsent = [one for one in outcomes if isinstance(one, Rejected) and one.message.startswith("not sent")]
    assert len(sent) + len(unsent) == len(faults)
