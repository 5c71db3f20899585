"""The versions that decide, kept up with the registry; their artefacts are checked to the last byte before they do."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from huracan.errors import ArtefactError, DatabaseError, InvariantError, UsageError
from huracan.features import FeatureFit
from huracan.logs import get_logger
from huracan.memory.registry import Model
from huracan.patterns import state_layout
from huracan.policy import load_artefact
from huracan.policy.artefact import JSON_NAME
from huracan.signals.model import ServedVersion
from huracan.signals.policies import LoadedVersion, PolicyBook, searched_rules
from huracan.signals.selection import ServingMode, select
from huracan.storage import locate

__all__ = ["Versions", "load_version"]


def load_version(model: Model) -> LoadedVersion:
    """Load a version's artefact and hold it against the registry.

    Raises:
        ArtefactError: a file is missing or was changed, or is not the artefact that was registered.
    """
    path = locate(model.artefact)
    folder = path.parent if path.name == JSON_NAME else path
    artefact = load_artefact(folder)
    if artefact.sha256 != model.sha256:
        raise ArtefactError(
            f"{folder} is another artefact ({artefact.sha256[:12]}) than the registry's {model.version} "
            f"({model.sha256[:12]}); restore the file, or register what it holds under a name of its own"
        )
    card = artefact.card
    fit = FeatureFit.from_json(json.dumps(card.fit))
    layout = state_layout(fit.context.windows)
    served = ServedVersion(model.version, model.scope, model.stage, model.proven, model.sha256, fit.sha256, layout)
    try:
        rules = searched_rules(card.trading)
    except InvariantError as error:
        raise ArtefactError(f"{folder}: {error}; export the policy again") from None
    return LoadedVersion(served, artefact.ensemble, fit, card.universe, card.timeframe, rules, artefact.block)


class Versions:
    """The versions that decide, kept up with the registry; what cannot be loaded leaves the book as it is.

    Args:
        models: reads the registry.
        mode: "paper" or "live".
        wanted: names to serve on paper.

    Attributes:
        book: what decides now.
        shadows: what trades beside, in shadow; a damaged one is left out.
        problem: why `book` is not what the registry wants served; "" when it is.
    """

    def __init__(self, models: Callable[[], Sequence[Model]], mode: ServingMode, wanted: Sequence[str] = ()) -> None:
        self._models, self._mode, self._wanted = models, mode, tuple(wanted)
        self._known: dict[tuple[str, str], LoadedVersion] = {}
        self._damaged: set[tuple[str, str]] = set()
        self.book = PolicyBook()
        self.shadows: tuple[LoadedVersion, ...] = ()
        self.problem = ""

    def refresh(self) -> bool:
        """Look at the registry once, load what is new, and replace the book as a whole; returns whether it changed.

        An artefact that was changed or is missing is no reason to stop: `problem` says it, and the book stays.
        Read from the disk is only what is new; so this may be called on a thread of its own.
        """
        try:
            found = select(self._models(), self._mode, self._wanted)
            served = tuple(self._load(model) for model in found.served)
            book = PolicyBook(served)
        except (ArtefactError, DatabaseError, UsageError) as error:
            if str(error) != self.problem:
                get_logger().error("serve.refused", reason=str(error), served=sorted(self.book.versions))
            self.problem = str(error)
            return False
        shadows = self._beside(found.shadows)
        changed = _names(book.loaded) != _names(self.book.loaded) or _names(shadows) != _names(self.shadows)
        if changed:
            get_logger().info(
                "serve.versions",
                served={one.served.scope: one.served.version for one in book.loaded},
                shadows=[one.served.version for one in shadows],
            )
            self.book, self.shadows = book, shadows
        self.problem = ""
        kept = {(one.served.version, one.served.sha256) for one in (*served, *shadows)}
        self._known = {key: one for key, one in self._known.items() if key in kept}
        return changed

    def _beside(self, models: Sequence[Model]) -> tuple[LoadedVersion, ...]:
        """Return the versions in shadow; one that cannot be loaded is left out and stops nothing else."""
        found = []
        for model in models:
            key = (model.version, model.sha256)
            if key in self._damaged:
                continue
            try:
                found.append(self._load(model))
            except ArtefactError as error:
                self._damaged.add(key)
                get_logger().error("serve.shadow_refused", version=model.version, reason=str(error))
        return tuple(found)

    def _load(self, model: Model) -> LoadedVersion:
        """Return a version, from memory when its artefact is loaded; its stage is the registry's of now."""
        key = (model.version, model.sha256)
        known = self._known.get(key)
        if known is None:
            known = load_version(model)
        elif (known.served.stage, known.served.proven) != (model.stage, model.proven):
            known = replace(known, served=replace(known.served, stage=model.stage, proven=model.proven))
        self._known[key] = known
        return known


def _names(loaded: Sequence[LoadedVersion]) -> tuple[ServedVersion, ...]:
    return tuple(one.served for one in loaded)
