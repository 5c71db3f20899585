"""The 80 entries of the state: formula, windows, bounds, scaling, inputs and code hash of each."""

import ast
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from huracan.features.layout import LAYOUT, MARKET_SIZE, S_LGBM_EDGE
from huracan.features.windows import WindowTable, windows_for

__all__ = ["CATALOGUE", "FeatureSpec", "catalogue_hash", "catalogue_markdown", "formula_hash"]

Block = Literal["market", "memory", "position", "risk"]
Scaling = Literal["identity", "robust"]

ROOM = Path(__file__).parent
PATTERNS = ROOM.parent / "patterns"
"""The room that fills the neighbours' entries from what this one writes."""
COMPOSITION = ("machines/coin.py", "machines/universe.py", "finish.py")
"""Code that every market entry passes through, besides its machine."""


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One entry of the state.

    Attributes:
        index: 0-79.
        name: as in `layout.LAYOUT`.
        block: market (this room), memory, position or risk (filled by the memory, the kernel, the account).
        formula: what it is; n, q and s refer to `windows`.
        windows: fields of `WindowTable` it looks back over, `returns[2]` for one of several.
        bounds: least and greatest value.
        scaling: identity, or robust: centred by the median and divided by IQR / 1.349 of the training window.
        clip: bound after scaling, in scaled units; None: none, since `bounds` holds or a mask reads the entry.
        inputs: columns of the candles, optional inputs or other sources it needs.
        machine: source file in this room, or `patterns` for the neighbours' entries; "" where a room fills the entry
            whose code other hashes hold.
    """

    index: int
    name: str
    block: Block
    formula: str
    windows: tuple[str, ...]
    bounds: str
    scaling: Scaling
    clip: float | None
    inputs: tuple[str, ...]
    machine: str

    def window_text(self, table: WindowTable) -> str:
        """Return the windows with their lengths, e.g. `returns[2] 15, sigma 1440`."""
        return ", ".join(f"{name} {_window(table, name)}" for name in self.windows)


def _window(table: WindowTable, name: str) -> int:
    field, _, index = name.partition("[")
    value = getattr(table, field)
    return int(value[int(index[:-1])] if index else value)


Row = tuple[str, tuple[str, ...], str, Scaling, tuple[str, ...], str]
C, OHLC, Q = ("close",), ("open", "high", "low", "close"), ("close", "volume")
RET, VOL, CLK = "machines/returns.py", "machines/volatility.py", "machines/clocks.py"
LIQ, FLW, BOK, CRS = "machines/liquidity.py", "machines/flow.py", "machines/book.py", "machines/cross.py"
LVL, COI, UNI, FIN = "machines/levels.py", "machines/coin.py", "machines/universe.py", "finish.py"
LEAD, BOOK = ("close", "leader"), ("close", "book")

MARKET: tuple[Row, ...] = (
    *(
        (f"r_n / (s sqrt n), n = returns[{i}]", (f"returns[{i}]", "sigma"), "[-5, 5]", "identity", C, RET)
        for i in range(6)
    ),
    ("(2c - h - l) / (h - l) of the last middle bar", ("middle_clock",), "[-1, 1]", "identity", OHLC, CLK),
    ("mean of (c - o) / (h - l) over middle bars", ("body", "middle_clock"), "[-1, 1]", "identity", OHLC, CLK),
    ("ln s_mid - ln s_slow", ("vol_mid", "slow"), "", "robust", C, VOL),
    ("ln(s_fast / s_long)", ("vol_fast", "vol_long"), "", "robust", C, VOL),
    (
        "ln(mean Garman-Klass / mean squared return) of middle bars",
        ("range_vol", "middle_clock"),
        "[-5, 5]",
        "robust",
        OHLC,
        CLK,
    ),
    ("ln s_mid - ln s_slow - profile(hour of week, train)", ("vol_mid", "slow"), "", "robust", C, VOL),
    ("max(0, 1 - BPV / RV), BPV = pi/2 n/(n-1) sum |r_i r_i-1|", ("jump",), "[0, 1]", "identity", C, RET),
    ("(RV+ - RV-) / RV", ("jump",), "[-1, 1]", "identity", C, RET),
    ("sd of ln s_mid", ("vol_of_vol", "vol_mid"), "", "robust", C, VOL),
    (
        "train quantile of (h - l) of the last slow bar / (s_slow sqrt slow_clock)",
        ("slow_clock", "slow"),
        "[0, 1]",
        "identity",
        OHLC,
        CLK,
    ),
    ("(c - c_n) / sum |r|: signed efficiency ratio", ("er_short",), "[-1, 1]", "identity", C, RET),
    ("(c - c_n) / sum |r|", ("er_long",), "[-1, 1]", "identity", C, RET),
    ("VR(q) - 1, Lo-MacKinlay, q = vr_lags[0]", ("variance_ratio", "vr_lags[0]"), "[-1, 5]", "identity", C, RET),
    ("VR(q) - 1, q = vr_lags[1]", ("variance_ratio", "vr_lags[1]"), "[-1, 5]", "identity", C, RET),
    (
        "(EMA_fast - EMA_slow of ln c, middle bars) / (s sqrt(middle_clock ema_slow))",
        ("ema_fast", "ema_slow", "middle_clock", "sigma"),
        "",
        "robust",
        C,
        CLK,
    ),
    (
        "(EMA_fast - EMA_slow of ln c, slow bars) / (s sqrt(slow_clock slow_ema_slow))",
        ("slow_ema_fast", "slow_ema_slow", "slow_clock", "sigma"),
        "",
        "robust",
        C,
        CLK,
    ),
    ("(ln c - ln VWAP) / (s sqrt n)", ("level", "sigma"), "[-5, 5]", "robust", ("high", "low", *Q), LVL),
    ("2 (c - low) / (high - low) - 1 in logs", ("level",), "[-1, 1]", "identity", OHLC, LVL),
    ("ADX / 50 - 1 of slow bars (Wilder, log prices)", ("adx", "slow_clock"), "[-1, 1]", "identity", OHLC, CLK),
    (
        "filtered P(high volatility), HMM on (r between rows / s, ln s_mid - ln s_slow)",
        ("sigma", "vol_mid", "slow"),
        "[0, 1]",
        "identity",
        C,
        "hmm.py",
    ),
    (
        "filtered P(trend up) - P(trend down) of the same HMM",
        ("sigma", "vol_mid", "slow"),
        "[-1, 1]",
        "identity",
        C,
        "hmm.py",
    ),
    ("(S+ - S-) / 5, Page's CUSUM of r / s, slack 0.5", ("sigma",), "[-5, 5]", "identity", C, VOL),
    (
        "ln(mean quote volume / its slow EWMA) - profile(hour of week, train)",
        ("volume", "slow"),
        "",
        "robust",
        Q,
        LIQ,
    ),
    (
        "ln(mean trade count / its slow EWMA) - profile(hour of week, train)",
        ("volume", "slow"),
        "",
        "robust",
        ("trades",),
        FLW,
    ),
    ("ln(mean |r| / quote volume) - ln(its slow EWMA), traded bars", ("liquidity", "slow"), "", "robust", Q, LIQ),
    ("ln(1 + EDGE spread, bp), negative estimates as 0", ("edge", "slow_clock"), "[0, inf)", "robust", OHLC, CLK),
    ("quoted spread / s_fast", ("vol_fast",), "[0, inf)", "robust", BOOK, BOK),
    *(
        (f"(taker buy - taker sell) / volume, n = flow[{i}]", (f"flow[{i}]",), "[-1, 1]", "identity", ("taker",), FLW)
        for i in range(3)
    ),
    (
        "cov(r, q) / var(q) x mean quote volume / s, q: bulk-classified signed quote volume",
        ("liquidity", "vol_mid", "sigma"),
        "[-20, 20]",
        "robust",
        Q,
        LIQ,
    ),
    ("share of the inputs trades, taker, book that are there", (), "[0, 1]", "identity", (), FIN),
    ("order flow imbalance of the last minute / mean depth", (), "[-100, 100]", "robust", BOOK, BOK),
    ("mean (q_b - q_a) / (q_b + q_a) of the last 30 s", (), "[-1, 1]", "identity", BOOK, BOK),
    ("(microprice - mid) / half-spread", (), "[-1, 1]", "identity", BOOK, BOK),
    (
        "train quantile of mean |taker imbalance| over equal volume buckets",
        ("vpin_buckets", "vpin_bars", "slow"),
        "[0, 1]",
        "identity",
        ("taker",),
        FLW,
    ),
    ("leader's r_n / (s sqrt n)", ("leader_returns[0]", "sigma"), "[-5, 5]", "identity", LEAD, CRS),
    ("leader's r_n / (s sqrt n)", ("leader_returns[1]", "sigma"), "[-5, 5]", "identity", LEAD, CRS),
    ("beta: EWMA r r_leader / EWMA r_leader^2", ("beta",), "[-10, 10]", "robust", LEAD, CRS),
    (
        "(r_n - beta r_n,leader) / (s sqrt n)",
        ("leader_returns[1]", "beta", "sigma"),
        "[-5, 5]",
        "identity",
        LEAD,
        CRS,
    ),
    ("EWMA correlation with the leader", ("corr",), "[-1, 1]", "identity", LEAD, CRS),
    ("rank of r_n among the coins present, -1 lowest, 1 highest", ("ranks[0]",), "[-1, 1]", "identity", C, CRS),
    ("rank of r_n among the coins present", ("ranks[1]",), "[-1, 1]", "identity", C, CRS),
    ("share of coins with r_n > 0 minus share with r_n < 0", ("ranks[0]",), "[-1, 1]", "identity", C, CRS),
    ("sin(2 pi hour of week / 168) at the close", (), "[-1, 1]", "identity", (), COI),
    ("cos(2 pi hour of week / 168) at the close", (), "[-1, 1]", "identity", (), COI),
)

REST: tuple[tuple[str, str, float | None], ...] = (
    ("m = sum w R / sum w: net results R of the 32 nearest past trades, w = recency x similarity", "", 5.0),
    ("(n p + 10 base) / (n + 10) - base, p = share of wins by w, n = (sum w)^2 / sum w^2", "[-1, 1]", 5.0),
    ("m - 1.64 sqrt(v / n), v: variance of the neighbours (n of it) and of all trades (10 of it)", "", 5.0),
    ("sd of R by w", "[0, inf)", 5.0),
    ("n / 32; 0: fewer than five neighbours, and 52 to 60 are 0", "[0, 1]", 5.0),
    ("distance to the 5th neighbour as train quantile", "[0, 1]", 5.0),
    ("mean MFE by w (R)", "", 5.0),
    ("mean MAE by w (R)", "", 5.0),
    ("mean of min(1, time to exit / hold) by w", "[0, 1]", 5.0),
    ("calibrated p - p* of the tree model, out of fold", "[-1, 1]", 5.0),
    ("1 while a position is held", "{0, 1}", None),
    ("0: the venue is long only", "{0}", None),
    ("(c (1 - cost) - entry) / risk, risk = ref - stop", "", 5.0),
    ("(high since entry - entry) / risk", "", 5.0),
    ("(low since entry - entry) / risk", "", 5.0),
    ("bars held / hold", "[0, 1]", 5.0),
    ("distance to the stop / (c sigma sqrt 60)", "", 5.0),
    ("distance to the target / (c sigma sqrt 60)", "", 5.0),
    ("age / timeout of a working order: entry > 0, exit < 0", "[-1, 1]", None),
    ("position value / largest size", "[0, 1]", None),
    ("portfolio heat / limit", "[0, 2]", None),
    ("drawdown / limit", "[0, 2]", None),
    ("day's profit / daily loss limit", "[-2, 2]", None),
    ("gross exposure / limit", "[0, 2]", None),
    ("round-trip cost / (sigma sqrt hold)", "[0, inf)", 5.0),
    ("maker's saving against taker / sigma", "", 5.0),
    ("policy health: EWMA z of the last trades", "", 5.0),
    ("data age in bars, 0 when bar t is present", "[0, inf)", None),
)

ROBUST_CLIP = 5.0
NEIGHBOURS = "patterns"
"""Machine of the entries that closed trades fill: what that room says is alike, known and counted."""


def _build() -> tuple[FeatureSpec, ...]:
    specs = []
    for i, (formula, windows, bounds, scaling, inputs, machine) in enumerate(MARKET):
        clip = ROBUST_CLIP if scaling == "robust" else None
        specs.append(FeatureSpec(i, LAYOUT[i], "market", formula, windows, bounds, scaling, clip, inputs, machine))
    for i, (formula, bounds, limit) in enumerate(REST, start=MARKET_SIZE):
        block: Block = "memory" if i < 62 else "position" if i < 72 else "risk"
        source = {"memory": "closed trades", "position": "position", "risk": "account, costs, clock"}[block]
        source = "tree model" if i == S_LGBM_EDGE else source
        machine = NEIGHBOURS if source == "closed trades" else ""
        specs.append(FeatureSpec(i, LAYOUT[i], block, formula, (), bounds, "identity", limit, (source,), machine))
    return tuple(specs)


CATALOGUE: tuple[FeatureSpec, ...] = _build()
"""All entries, by index."""


@cache
def _code(relative: str) -> str:
    """Return the hash of a module of this room; see `_tree_hash`."""
    return _tree_hash(ROOM / relative)


@cache
def _neighbours_code() -> str:
    """Return the hash of what computes the neighbours' entries."""
    sources = ("embedding.py", "identity.py", "neighbours.py", "outcomes.py", "statistics.py")
    return hashlib.sha256("".join(_tree_hash(PATTERNS / name) for name in sources).encode()).hexdigest()


def _tree_hash(path: Path) -> str:
    """Return the hash of a module's syntax tree without docstrings: comments and layout do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


@cache
def _sources(relative: str) -> tuple[str, ...]:
    """Return a module of this room and those of the room it builds on, sorted."""
    found, todo = {relative}, [relative]
    while todo:
        tree = ast.parse((ROOM / todo.pop()).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("huracan.features."):
                path = (node.module or "").removeprefix("huracan.features.").replace(".", "/") + ".py"
                if path not in found:
                    found.add(path)
                    todo.append(path)
    return tuple(sorted(found - {"windows.py", "layout.py", "catalogue.py"}))


def formula_hash(spec: FeatureSpec, table: WindowTable) -> str:
    """Return what identifies the meaning of an entry: formula, bounds, scaling, windows and the code behind it.

    Args:
        spec: the entry.
        table: the windows in force.

    Returns:
        16 hexadecimal digits; they change with the code of the entry's machine and of everything the machine calls.
    """
    said = [spec.index, spec.name, spec.formula, spec.bounds, spec.scaling, spec.clip, spec.inputs]
    digest = hashlib.sha256(json.dumps([*said, spec.window_text(table)]).encode())
    if spec.machine == NEIGHBOURS:
        digest.update(_neighbours_code().encode())
    elif spec.machine:
        own = () if spec.machine in COMPOSITION else _sources(spec.machine)
        for source in sorted({*own, *COMPOSITION}):
            digest.update(_code(source).encode())
    return digest.hexdigest()[:16]


def catalogue_hash(table: WindowTable) -> str:
    """Return the SHA-256 of all formula hashes, hexadecimal."""
    return hashlib.sha256("".join(formula_hash(spec, table) for spec in CATALOGUE).encode()).hexdigest()


def catalogue_markdown() -> str:
    """Return the table of docs/features.md."""
    minute, day = windows_for("1m"), windows_for("1d")
    lines = [
        "| # | name | formula | 1m windows | 1d windows | bounds | scaling | needs |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for spec in CATALOGUE:
        scaling = spec.scaling if spec.clip is None else f"{spec.scaling}, ±{spec.clip:g}"
        cells = (
            str(spec.index),
            f"`{spec.name}`",
            spec.formula.replace("|", "\\|"),
            spec.window_text(minute),
            spec.window_text(day),
            spec.bounds,
            scaling,
            ", ".join(spec.inputs),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
