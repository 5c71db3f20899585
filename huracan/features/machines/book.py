"""The order book of one coin, from best bid and ask samples: features 32 and 38-40.

A live feed drives `book_sample` with every change of the best bid or ask and `book_close` at each bar's close; the four
numbers of the closed bar then travel with the candle into the coin's machine (`BOOK_COLUMNS`).
"""

import math

import numpy as np
from numba import njit

from huracan.features.machines.primitives import State, clip

__all__ = ["BOOK_COLUMNS", "book_close", "book_emit", "book_init", "book_sample"]

BOOK_COLUMNS = ("spread_frac", "flow_per_depth", "imbalance", "microprice")
"""Columns of a bar's book summary, NaN where no book was seen."""

BID, BID_QTY, ASK, ASK_QTY, SEEN = 0, 1, 2, 3, 4
FLOW, DEPTH, DEPTH_COUNT, IMBALANCE, IMBALANCE_COUNT = 5, 6, 7, 8, 9
FLOW_MS, IMBALANCE_MS = 10, 11

OFI_CLIP = 100.0


def book_init(flow_ms: float = 60_000.0, imbalance_ms: float = 30_000.0) -> State:
    """Return the state before the first sample.

    Args:
        flow_ms: order flow counts this long before the close.
        imbalance_ms: the mean imbalance does.
    """
    s = np.zeros(12)
    s[FLOW_MS], s[IMBALANCE_MS] = flow_ms, imbalance_ms
    return s


@njit(cache=True, nogil=True)
def order_flow(
    bid: float, bid_qty: float, ask: float, ask_qty: float, bid1: float, bid_qty1: float, ask1: float, ask_qty1: float
) -> float:
    """Return one event's order flow imbalance (Cont, Kukanov, Stoikov 2014), base units; suffix 1: the event before."""
    e = 0.0
    if bid >= bid1:
        e += bid_qty
    if bid <= bid1:
        e -= bid_qty1
    if ask <= ask1:
        e -= ask_qty
    if ask >= ask1:
        e += ask_qty1
    return e


@njit(cache=True, nogil=True)
def book_sample(s: State, to_close_ms: float, bid: float, bid_qty: float, ask: float, ask_qty: float) -> None:
    """Feed one change of the best bid or ask.

    Args:
        s: the machine's state.
        to_close_ms: time left until the bar closes, ms.
        bid: best bid price, below `ask`; `bid_qty` base units on it.
        bid_qty: see `bid`.
        ask: best ask price; `ask_qty` base units on it.
        ask_qty: see `ask`.
    """
    if s[SEEN] > 0.0 and to_close_ms <= s[FLOW_MS]:
        s[FLOW] += order_flow(bid, bid_qty, ask, ask_qty, s[BID], s[BID_QTY], s[ASK], s[ASK_QTY])
    s[BID], s[BID_QTY], s[ASK], s[ASK_QTY], s[SEEN] = bid, bid_qty, ask, ask_qty, 1.0
    s[DEPTH] += 0.5 * (bid_qty + ask_qty)
    s[DEPTH_COUNT] += 1.0
    if to_close_ms <= s[IMBALANCE_MS]:
        s[IMBALANCE] += (bid_qty - ask_qty) / (bid_qty + ask_qty)
        s[IMBALANCE_COUNT] += 1.0


@njit(cache=True, nogil=True)
def book_close(s: State, out: State) -> None:
    """Write the closed bar's summary to out[0..3] and start the next bar; NaN if no sample came in the bar.

    The microprice is the weighted mid P_a I + P_b (1 - I) with I = q_b / (q_b + q_a), so that its distance from the mid
    in half-spreads is 2 I - 1.
    """
    out[:] = math.nan
    if s[DEPTH_COUNT] > 0.0:
        mid = 0.5 * (s[BID] + s[ASK])
        last = (s[BID_QTY] - s[ASK_QTY]) / (s[BID_QTY] + s[ASK_QTY])
        depth = s[DEPTH] / s[DEPTH_COUNT]
        out[0] = (s[ASK] - s[BID]) / mid
        out[1] = s[FLOW] / depth if depth > 0.0 else 0.0
        out[2] = s[IMBALANCE] / s[IMBALANCE_COUNT] if s[IMBALANCE_COUNT] > 0.0 else last
        out[3] = last
    s[FLOW : IMBALANCE_COUNT + 1] = 0.0


@njit(cache=True, nogil=True)
def book_emit(book: State, fast_sigma: float, out: State) -> None:
    """Write 32 (quoted spread / s_fast), 38, 39 and 40 from a bar's summary; zeros where it is absent."""
    out[32], out[38], out[39], out[40] = 0.0, 0.0, 0.0, 0.0
    if not math.isnan(book[0]):
        out[32] = book[0] / fast_sigma
        out[38] = clip(book[1], OFI_CLIP)
        out[39] = clip(book[2], 1.0)
        out[40] = clip(book[3], 1.0)
