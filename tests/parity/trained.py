"""A policy that the project's own training made on the candles before a case, served by its name in the registry."""

import json
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from huracan.features import FeatureFit
from huracan.market import CandleStore
from huracan.memory import Registry
from huracan.policy import load_artefact
from tests.parity.coins import history
from tests.parity.live import Case
from tests.trader.processes import PROGRAM, World

__all__ = ["trained"]

SHORT = {
    "search.num_samples": 0,
    "walk_forward.folds": 1,
    "shadow.seeds": [1],
    "ppo.train_batch_size": 8_192,
    "ray.object_store_mb": 100,
}
"""One training without a search."""


def trained(case: Case, world: World, engine: Engine, env_steps: int) -> Case:
    """Return the case decided by what `huracan train` makes of its coins' candles up to its start, by its rules."""
    store = CandleStore(world.home / "past")
    for symbol in case.symbols:
        store.write(history(symbol).between(0, case.start_ms))
    told: dict[str, Any] = {**case.settings, **SHORT, "ppo.env_steps": env_steps}
    words = ["train", "--json", "--data", str(world.home / "past" / "1m")]
    for name, one in told.items():
        words += ["--set", f"{name}={one if isinstance(one, str) else json.dumps(one)}"]
    done = subprocess.run(
        [PROGRAM, *words],
        env=world.environment, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3_000:]
    model = max(Registry(engine).models(), key=lambda one: one.model_id)
    artefact = load_artefact(Path(model.artefact))
    fit = FeatureFit.from_json(json.dumps(artefact.card.fit))
    found = replace(case, policy=artefact.ensemble, version=model.version, known=fit)
    print(f"{model.version}: in shadow by reason {dict(Counter(found.shadow().result.trades.reason.tolist()))}")
    return found
