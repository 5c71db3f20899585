"""The layout of the state: 80 names in the order everything else relies on."""

from huracan.features import layout


def test_constants_and_names_agree() -> None:
    """Each S_ constant is the place of its name, all 80 are there, and the blocks meet without a gap."""
    constants = {n: v for n, v in vars(layout).items() if n.startswith("S_")}
    assert sorted(constants.values()) == list(range(80))
    assert [f"S_{name.upper()}" for name in layout.LAYOUT] == sorted(constants, key=constants.__getitem__)
    slices = (layout.MARKET_SLICE, layout.MEMORY_SLICE, layout.POSITION_SLICE, layout.RISK_SLICE)
    assert [i for s in slices for i in range(s.start, s.stop)] == list(range(layout.STATE_SIZE))


def test_indices_the_contracts_name() -> None:
    """The entries that masks and contracts name by number stand there."""
    assert (layout.S_RET_1, layout.S_HMM_HIGH_VOL, layout.S_AVAILABLE, layout.S_IS_LONG) == (0, 25, 37, 62)
    assert (layout.S_ORDER_AGE, layout.S_HEAT, layout.S_GROSS, layout.S_DATA_AGE) == (70, 72, 75, 79)
