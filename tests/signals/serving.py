"""Small versions for tests of serving: artefacts on disk, and the registry's rows of them."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from huracan.config import TradingSettings
from huracan.features import FeatureFit
from huracan.memory.registry import Model, Stage
from huracan.policy import Artefact, NetworkSpec, export_artefact
from huracan.trading import Action, KernelSettings, resolve_settings
from tests.policy.recipes import make_card, make_nets, random_normaliser
from tests.signals.following import fit

SPEC = NetworkSpec((16, 16), "tanh")
AT = datetime(2025, 1, 1, tzinfo=UTC)


def export(
    folder: Path,
    seed: int,
    of: FeatureFit | None = None,
    kernel: KernelSettings | None = None,
    always: Sequence[Action] = (),
) -> Artefact:
    """Write an artefact whose weights, and so whose decisions, are the seed's; `always`: its actions in any state."""
    of, kernel = of or fit(), kernel or resolve_settings(TradingSettings(), "1m")
    rules = {
        key: value if isinstance(value, int | float | bool) else str(value) for key, value in asdict(kernel).items()
    }
    normaliser = random_normaliser(seed)
    card = make_card(normaliser, SPEC, (seed,)).model_copy(
        update={
            "fit": json.loads(of.to_json()),
            "universe": of.context.universe,
            "leader": of.context.leader,
            "timeframe": of.context.windows.timeframe,
            "trading": {"kernel": rules, "limits": {}},
        }
    )
    nets = make_nets(normaliser, SPEC, (seed,))
    for net in nets if always else ():
        net.policy_head.weight.data.zero_()
        net.policy_head.bias.data[[int(action) for action in always]] = 10.0
    return export_artefact(folder, nets, card)


def row(
    number: int, artefact: Artefact, folder: Path, stage: Stage = "candidate", scope: str = "*", proven: bool = False
) -> Model:
    """Return the registry's row of an artefact."""
    return Model(number, 1, f"v{number}", scope, stage, str(folder), artefact.sha256, {}, AT, proven)


def model(number: int, stage: Stage, scope: str = "*") -> Model:
    """Return a row without an artefact."""
    return Model(number, 1, f"v{number}", scope, stage, "nowhere", "ab" * 32, {}, AT, False)
