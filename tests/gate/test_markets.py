"""20 markets with a planted edge and 20 without, from candles to promotion through the real gate."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from huracan.errors import RefusedError
from huracan.memory import Registry
from huracan.shadow import promote_version
from tests.gate.markets import SETTINGS, judge_market
from tests.gate.power import Rate

pytestmark = pytest.mark.postgres


def test_one_planted_market_is_promoted_and_one_null_market_is_not(database: Engine, tmp_path: Path) -> None:
    """To champion, proven; and refused, the stage unchanged."""
    assert judge_market(database, tmp_path, 0, planted=True).passed
    for stage in ("shadow", "champion"):
        assert promote_version(database, "planted-0", "tests", "it earned", SETTINGS).stage == stage
    assert Registry(database).show("planted-0").proven
    report = judge_market(database, tmp_path, 0, planted=False)
    assert {"dsr", "spa", "baselines"} <= {row.name for row in report.failed}
    with pytest.raises(RefusedError, match="the promotion gate refuses null-0"):
        promote_version(database, "null-0", "tests", "hope", SETTINGS)
    assert Registry(database).show("null-0").stage == "candidate"


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_of_twenty_and_twenty_markets_the_planted_ones_pass(database: Engine, tmp_path: Path) -> None:
    """At least 18 of 20 with the edge, at most 2 of 20 without: what size 5 % and power 90 % leave room for."""
    passed = [judge_market(database, tmp_path, seed, planted=True).passed for seed in range(100, 120)]
    wrong = [judge_market(database, tmp_path, seed, planted=False).passed for seed in range(100, 120)]
    found, false = Rate(sum(passed), 20), Rate(sum(wrong), 20)
    print(f"planted {found.happened} of 20 [{found.low:.2f}, {found.high:.2f}], null {false.happened} of 20")
    assert found.happened >= 18
    assert false.happened <= 2
