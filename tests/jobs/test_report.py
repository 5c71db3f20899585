"""Reading back what a report is made of; the whole way is in test_demo."""

import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from huracan.baselines import Momentum
from huracan.errors import DataError
from huracan.shadow import ShadowReport, assess, to_json
from jobs.report import USAGE_NAME, _read, save_usage
from jobs.usage import PeakMemory
from tests.shadow.test_assess import KERNEL, SETTINGS, outcome


def test_a_shadow_report_is_read_back_whole(tmp_path: Path) -> None:
    """What shadow trading writes as JSON comes back as the same tree."""
    report = assess([outcome(Momentum(), 0)], KERNEL, SETTINGS, run_id=7)
    path = tmp_path / "shadow.json"
    path.write_text(json.dumps(to_json(report)))
    assert _read(path, ShadowReport, "run it again") == report


def test_memory_figures_are_read_back(tmp_path: Path) -> None:
    """The peak that a run saved is the peak that its report shows."""
    save_usage(tmp_path, PeakMemory(812.5, 300.25))
    assert TypeAdapter(PeakMemory).validate_json((tmp_path / USAGE_NAME).read_bytes()) == PeakMemory(812.5, 300.25)


def test_a_missing_or_damaged_file_is_one_clear_error(tmp_path: Path) -> None:
    """The file is named with what to do."""
    with pytest.raises(DataError, match=r"shadow\.json is missing; run `huracan shadow"):
        _read(tmp_path / "shadow.json", ShadowReport, "run `huracan shadow --run-id 1` first")
    (tmp_path / "shadow.json").write_text('{"run_id": 1')
    with pytest.raises(DataError, match=r"shadow\.json is damaged .*; run it again"):
        _read(tmp_path / "shadow.json", ShadowReport, "run it again")
