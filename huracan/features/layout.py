"""Where each of the 80 numbers of the state stands: the one list of indices every room reads.

Names end where the catalogue (`huracan.features.catalogue`) begins: formulas, windows and scaling stand there.
"""

from typing import Final

__all__ = [
    "HEAD_SIZE",
    "LAYOUT",
    "MARKET_SIZE",
    "MARKET_SLICE",
    "MEMORY_SLICE",
    "POSITION_SLICE",
    "RISK_SLICE",
    "STATE_SIZE",
    "S_ADX",
    "S_AMIHUD",
    "S_AVAILABLE",
    "S_BOOK_IMBALANCE",
    "S_BREADTH",
    "S_CLOSE_LOCATION",
    "S_COST",
    "S_CUSUM",
    "S_DATA_AGE",
    "S_DAY_PNL",
    "S_DONCHIAN",
    "S_DRAWDOWN",
    "S_EDGE_SPREAD",
    "S_EMA_FAST",
    "S_EMA_SLOW",
    "S_ER_60",
    "S_ER_240",
    "S_GK_CC",
    "S_GROSS",
    "S_HEALTH",
    "S_HEAT",
    "S_HELD_FRAC",
    "S_HMM_HIGH_VOL",
    "S_HMM_TREND",
    "S_HOUR_COS",
    "S_HOUR_SIN",
    "S_IS_LONG",
    "S_IS_SHORT",
    "S_JUMP_SHARE",
    "S_KNN_LOWER",
    "S_KNN_MAE",
    "S_KNN_MEAN_R",
    "S_KNN_MFE",
    "S_KNN_NOVELTY",
    "S_KNN_N_EFF",
    "S_KNN_SD",
    "S_KNN_TIME",
    "S_KNN_WIN",
    "S_KYLE",
    "S_LEADER_BETA",
    "S_LEADER_CORR",
    "S_LEADER_RESIDUAL",
    "S_LEADER_RET_5",
    "S_LEADER_RET_60",
    "S_LGBM_EDGE",
    "S_MAE_R",
    "S_MAKER_SAVING",
    "S_MFE_R",
    "S_MICROPRICE",
    "S_OFI",
    "S_ORDER_AGE",
    "S_QUOTED_SPREAD",
    "S_RANGE_PCT",
    "S_RANK_60",
    "S_RANK_1440",
    "S_RET_1",
    "S_RET_5",
    "S_RET_15",
    "S_RET_60",
    "S_RET_240",
    "S_RET_1440",
    "S_SEMIVAR_ASYM",
    "S_SIGNED_BODY",
    "S_SIZE_FRAC",
    "S_STOP_DIST",
    "S_TARGET_DIST",
    "S_TI_1",
    "S_TI_5",
    "S_TI_60",
    "S_TOD_TRADES",
    "S_TOD_VOL",
    "S_TOD_VOLUME",
    "S_UNREALISED_R",
    "S_VOL_LEVEL",
    "S_VOL_OF_VOL",
    "S_VOL_RATIO",
    "S_VPIN",
    "S_VR_4",
    "S_VR_16",
    "S_VWAP_DIST",
]

STATE_SIZE: Final = 80
MARKET_SIZE: Final = 52
HEAD_SIZE: Final = 62  # market and memory: the part a tape carries; the kernel appends 62-79
MARKET_SLICE: Final = slice(0, 52)
MEMORY_SLICE: Final = slice(52, 62)
POSITION_SLICE: Final = slice(62, 72)
RISK_SLICE: Final = slice(72, 80)

# market: filled by the feature machines
S_RET_1: Final = 0
S_RET_5: Final = 1
S_RET_15: Final = 2
S_RET_60: Final = 3
S_RET_240: Final = 4
S_RET_1440: Final = 5
S_CLOSE_LOCATION: Final = 6
S_SIGNED_BODY: Final = 7
S_VOL_LEVEL: Final = 8
S_VOL_RATIO: Final = 9
S_GK_CC: Final = 10
S_TOD_VOL: Final = 11
S_JUMP_SHARE: Final = 12
S_SEMIVAR_ASYM: Final = 13
S_VOL_OF_VOL: Final = 14
S_RANGE_PCT: Final = 15
S_ER_60: Final = 16
S_ER_240: Final = 17
S_VR_4: Final = 18
S_VR_16: Final = 19
S_EMA_FAST: Final = 20
S_EMA_SLOW: Final = 21
S_VWAP_DIST: Final = 22
S_DONCHIAN: Final = 23
S_ADX: Final = 24
S_HMM_HIGH_VOL: Final = 25
S_HMM_TREND: Final = 26
S_CUSUM: Final = 27
S_TOD_VOLUME: Final = 28
S_TOD_TRADES: Final = 29
S_AMIHUD: Final = 30
S_EDGE_SPREAD: Final = 31
S_QUOTED_SPREAD: Final = 32
S_TI_1: Final = 33
S_TI_5: Final = 34
S_TI_60: Final = 35
S_KYLE: Final = 36
S_AVAILABLE: Final = 37
S_OFI: Final = 38
S_BOOK_IMBALANCE: Final = 39
S_MICROPRICE: Final = 40
S_VPIN: Final = 41
S_LEADER_RET_5: Final = 42
S_LEADER_RET_60: Final = 43
S_LEADER_BETA: Final = 44
S_LEADER_RESIDUAL: Final = 45
S_LEADER_CORR: Final = 46
S_RANK_60: Final = 47
S_RANK_1440: Final = 48
S_BREADTH: Final = 49
S_HOUR_SIN: Final = 50
S_HOUR_COS: Final = 51

# memory: similar past trades and the calibrated tree model; zeros while the memory is empty
S_KNN_MEAN_R: Final = 52
S_KNN_WIN: Final = 53
S_KNN_LOWER: Final = 54
S_KNN_SD: Final = 55
S_KNN_N_EFF: Final = 56
S_KNN_NOVELTY: Final = 57
S_KNN_MFE: Final = 58
S_KNN_MAE: Final = 59
S_KNN_TIME: Final = 60
S_LGBM_EDGE: Final = 61

# position: filled by the kernel from the slot
S_IS_LONG: Final = 62
S_IS_SHORT: Final = 63
S_UNREALISED_R: Final = 64
S_MFE_R: Final = 65
S_MAE_R: Final = 66
S_HELD_FRAC: Final = 67
S_STOP_DIST: Final = 68
S_TARGET_DIST: Final = 69
S_ORDER_AGE: Final = 70
S_SIZE_FRAC: Final = 71

# risk and cost: filled from the account, the cost table and the clock
S_HEAT: Final = 72
S_DRAWDOWN: Final = 73
S_DAY_PNL: Final = 74
S_GROSS: Final = 75
S_COST: Final = 76
S_MAKER_SAVING: Final = 77
S_HEALTH: Final = 78
S_DATA_AGE: Final = 79

LAYOUT: Final[tuple[str, ...]] = (
    "ret_1",
    "ret_5",
    "ret_15",
    "ret_60",
    "ret_240",
    "ret_1440",
    "close_location",
    "signed_body",
    "vol_level",
    "vol_ratio",
    "gk_cc",
    "tod_vol",
    "jump_share",
    "semivar_asym",
    "vol_of_vol",
    "range_pct",
    "er_60",
    "er_240",
    "vr_4",
    "vr_16",
    "ema_fast",
    "ema_slow",
    "vwap_dist",
    "donchian",
    "adx",
    "hmm_high_vol",
    "hmm_trend",
    "cusum",
    "tod_volume",
    "tod_trades",
    "amihud",
    "edge_spread",
    "quoted_spread",
    "ti_1",
    "ti_5",
    "ti_60",
    "kyle",
    "available",
    "ofi",
    "book_imbalance",
    "microprice",
    "vpin",
    "leader_ret_5",
    "leader_ret_60",
    "leader_beta",
    "leader_residual",
    "leader_corr",
    "rank_60",
    "rank_1440",
    "breadth",
    "hour_sin",
    "hour_cos",
    "knn_mean_r",
    "knn_win",
    "knn_lower",
    "knn_sd",
    "knn_n_eff",
    "knn_novelty",
    "knn_mfe",
    "knn_mae",
    "knn_time",
    "lgbm_edge",
    "is_long",
    "is_short",
    "unrealised_r",
    "mfe_r",
    "mae_r",
    "held_frac",
    "stop_dist",
    "target_dist",
    "order_age",
    "size_frac",
    "heat",
    "drawdown",
    "day_pnl",
    "gross",
    "cost",
    "maker_saving",
    "health",
    "data_age",
)
"""Name of each entry, by index."""
