"""Compiling everything ahead of the first command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
from numba.core import event
from huracan.env.warm import warm
warm()
compiled = []
class Note(event.Listener):
    def on_start(self, ev): compiled.append(ev.data["dispatcher"].py_func.__qualname__)
    def on_end(self, ev): pass
with event.install_listener("numba:compile", Note()):
    warm()
print(len(compiled), compiled)
"""


@pytest.mark.timeout(600)
def test_a_second_pass_compiles_nothing(tmp_path: Path) -> None:
    """After one pass every function of the way from candles to trades is compiled in the shapes that runs use."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE], env=dict(os.environ), cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[0] == "0", done.stdout
