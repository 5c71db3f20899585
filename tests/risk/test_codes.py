"""The codes: each explained, in the order in which the gate looks for them."""

from huracan.risk import DenialCode, denial_table


def test_every_code_has_a_row_with_a_meaning_and_a_remedy() -> None:
    """The table has one full row for each code, in the order of the codes."""
    rows = denial_table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [code.value for code in DenialCode]
    assert all(all(cell.strip() for cell in row.strip("|").split("|")) for row in rows)


def test_the_codes_of_portfolio_shadow_keep_their_order() -> None:
    """The limits in money are judged in the order that shadow's stored denials were."""
    codes = [code.value for code in DenialCode]
    money = ["DAILY_LOSS", "DRAWDOWN", "OPEN_TRADES", "SYMBOL_NOTIONAL", "GROSS_EXPOSURE", "HEAT", "BALANCE"]
    assert [code for code in codes if code in money] == money
    assert codes.index("STATE_UNKNOWN") < codes.index("DAILY_LOSS")
