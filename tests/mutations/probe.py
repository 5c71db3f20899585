"""A pytest plugin that writes down which code a run imported and how each test ended, for whoever started the run."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPORT_VARIABLE = "HURACAN_MUTATION_REPORT"
_OURS = ("huracan", "tests")

_ended: list[dict[str, str]] = []


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, or those that a group of them holds."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from causes(one)
    else:
        yield error


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Note how a test, or its preparation, ended."""
    if call.excinfo is not None:
        for error in causes(call.excinfo.value):
            words = (str(error).strip().splitlines() or [""])[0]
            _ended.append({"id": item.nodeid, "when": call.when, "error": type(error).__name__, "words": words})
    elif call.when == "call":
        _ended.append({"id": item.nodeid, "when": call.when, "error": "", "words": ""})
    return (yield)


def pytest_sessionfinish() -> None:
    """Write the report."""
    files = {
        name: str(module.__file__)
        for name, module in sys.modules.items()
        if name.partition(".")[0] in _OURS and getattr(module, "__file__", None)
    }
    Path(os.environ[REPORT_VARIABLE]).write_text(json.dumps({"files": files, "ended": _ended}), encoding="utf-8")
