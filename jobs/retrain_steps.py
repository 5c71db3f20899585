"""What each step of the retraining cycle does; done again after a kill it leaves what it would have left at once.

An outcome is JSON: `line` says it in words, the rest are its figures.
"""

import getpass
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

import huracan
from huracan.clock import MarketClock
from huracan.config import Settings, home_folder, run_folder
from huracan.env import Dataset
from huracan.errors import ConfigError, DataError, HuracanError, RefusedError
from huracan.learn.blocks import load_dataset
from huracan.learn.campaign import Campaign, read_campaign
from huracan.learn.checkpoint import write_atomically
from huracan.learn.cluster import ray_session
from huracan.learn.cycle import Outcome, Work
from huracan.learn.owner import own_folder
from huracan.learn.progress import TerminalProgress
from huracan.logs import bind_run
from huracan.market import TIMEFRAMES, folder_quality, format_ms, leader_of, open_folder, parse_ms
from huracan.memory import (
    Claim,
    Cycle,
    Model,
    Registry,
    claim_run,
    count_trials,
    database_url,
    phase,
    read_gates,
    read_run,
    read_trials,
    read_version_days,
    record_traded_days_of_versions,
    resume_run,
    run_of_cycle,
    translated,
)
from huracan.memory.requests import requests_of_cycle
from huracan.shadow import Fold, run_gate, to_json
from huracan.shadow.promotion import check_artefact
from huracan.storage import Location
from huracan.venue.history import download
from huracan.verify import checks, verify
from jobs.explain import Done, analyse_shadow, analyse_traded, save_analysis
from jobs.retrain_warm import warm_start_of
from jobs.retrain_worth import Standing, beside_champion, promotion_of
from jobs.shadow import REPORT_NAME, shadow
from jobs.train import folds_of, leave_taken, train

__all__ = ["CycleSteps", "cycle_folder"]

DAY_MS = 86_400_000
DISK_MIN_MB = 500
HEALTH = ("python", "dependencies", "configuration", "home", "database", "policy", "ray")
"""Checks of `huracan verify` that a cycle makes; compiled code is left out: what is missing is compiled then."""

TRADED_RUNS = (
    "SELECT DISTINCT run_id, CAST(mode AS text) FROM trade_memory WHERE mode <> 'shadow' "
    "AND exit_time <= to_timestamp(:end_s) ORDER BY 1, 2"
)


def cycle_folder(cycle_id: int) -> Path:
    """Return where a cycle's report stands."""
    return home_folder() / "cycles" / str(cycle_id)


@dataclass(eq=False)
class CycleSteps:
    """The steps of one cycle; Ray is started by the first that needs it and stays until the block ends.

    Attributes:
        engine: of the database.
        settings: the cycle's configuration, `data.folder` set.
        cycle: as it was when this process took it up.
        report: writes the cycle's report and returns what to store about it.
    """

    engine: Engine
    settings: Settings
    cycle: Cycle
    report: Callable[["CycleSteps"], Outcome]
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "CycleSteps":
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    @property
    def works(self) -> dict[str, Work]:
        """Return what each step does, by its name."""
        return {
            "health_before": self.health,
            "download": self.download,
            "quality": self.quality,
            "train": self.train,
            "shadow": self.shadow,
            "compare": self.compare,
            "analyse": self.analyse,
            "performance": self.performance,
            "gate": self.gate,
            "promote": self.promote,
            "health_after": self.health,
            "report": lambda: self.report(self),
        }

    @property
    def end_ms(self) -> int:
        """Return the first moment of the cycle's day: no later candle is used."""
        day = self.cycle.day
        return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000

    @property
    def author(self) -> str:
        """Return who asks the gate and promotes; names the cycle, so that one asked already is known."""
        return f"{getpass.getuser()}, retraining cycle {self.cycle.cycle_id}"

    @cached_property
    def dataset(self) -> Dataset:
        """Return the candles as they were closed when the day began."""
        return self._load(self.settings)

    def _load(self, settings: Settings) -> Dataset:
        return load_dataset(settings, MarketClock(self.end_ms))

    @cached_property
    def folds(self) -> tuple[Fold, ...]:
        """Return the walk-forward folds."""
        return folds_of(self.dataset)

    @cached_property
    def run_id(self) -> int:
        """Return the cycle's training run."""
        fingerprint = self.dataset.summary.fingerprint
        leave_taken(self.engine, self.settings)
        return run_of_cycle(self.engine, self.cycle.cycle_id, self.settings, fingerprint, huracan.__version__)

    @property
    def run_folder(self) -> Location:
        """Return the folder of the run's files."""
        return run_folder(self.settings, self.run_id)

    @cached_property
    def campaign(self) -> Campaign:
        """Return the finished training."""
        return read_campaign(self.run_folder)

    @cached_property
    def judged(self) -> Dataset:
        """Return the candles under the rules that the training froze."""
        return self.dataset.under(self.campaign.trading)

    @property
    def models(self) -> tuple[Model, ...]:
        """Return the versions that the cycle registered, oldest first."""
        mine = [model for model in Registry(self.engine).models() if model.run_id == self.run_id]
        return tuple(sorted(mine, key=lambda model: model.model_id))

    def health(self) -> Outcome:
        """Hold that everything the cycle needs works, and that every champion's artefact is what was registered.

        Raises:
            ConfigError: a check fails; the line names each with its remedy.
        """
        if "ray" in HEALTH:
            self._ray()
        outcomes = verify(tuple(one for one in checks(lambda: self.settings) if one.name in HEALTH))
        rows = [{"check": one.name, "passed": one.passed, "found": one.detail} for one in outcomes]
        rows.append(self._check("disk", self._disk))
        for model in Registry(self.engine).models():
            if model.stage == "champion":
                rows.append(self._check(f"champion {model.version}", partial(self._champion, model)))
        if broken := [row for row in rows if not row["passed"]]:
            said = "; ".join(f"{row['check']}: {row['found']}" for row in broken)
            raise ConfigError(f"{len(broken)} of {len(rows)} health checks fail: {said}")
        return {"line": f"all {len(rows)} checks pass", "checks": rows}

    def download(self) -> Outcome:
        """Bring the candles up to the day's first moment."""
        folder, retrain = self._folder(), self.settings.retrain
        if not retrain.download:
            return {"line": "not asked for (retrain.download)", "symbols": []}
        root, timeframe, symbols = _store_of(folder, self.settings)
        start_ms = None if retrain.start is None else parse_ms(retrain.start)
        found = download(self.settings.data, symbols, timeframe, start_ms, self.end_ms, root)
        new = sum(one.new_bars for one in found.symbols)
        rows = [
            {
                "symbol": one.symbol,
                "bars": one.bars,
                "new_bars": one.new_bars,
                "missing_bars": one.missing_bars,
                "last": None if one.last_ms is None else format_ms(one.last_ms),
            }
            for one in found.symbols
        ]
        line = f"{new:,} new {timeframe} candles of {len(rows)} coins, {found.requests} requests"
        return {"line": line, "symbols": rows}

    def quality(self) -> Outcome:
        """Judge the candles, and refuse to train on what is old.

        Raises:
            RefusedError: they end too long before the day, or no coin is fit, or one that is named is not.
        """
        settings = self.settings
        verdicts = folder_quality(self._folder(), settings.data, settings.quality, self.end_ms)
        bar_ms = TIMEFRAMES[verdicts[0].report.timeframe]
        newest_ms = max(verdict.report.last_ms for verdict in verdicts) + bar_ms
        self._fresh(f"of {self._folder()}", newest_ms)
        files = open_folder(self._folder(), settings.data.timeframe).files
        leader = leader_of(settings.data.leader_symbol, files)
        if leader is not None:  # its features would be zero on the newest days
            alone = settings.data.model_copy(update={"symbols": (leader,)})
            (verdict,) = folder_quality(self._folder(), alone, settings.quality, self.end_ms)
            self._fresh(f"of the market leader {leader}", verdict.report.last_ms + bar_ms)
        refused = [verdict for verdict in verdicts if not verdict.accepted]
        if refused and (settings.data.symbols or len(refused) == len(verdicts)):
            raise RefusedError(
                f"{len(refused)} of {len(verdicts)} symbols are unfit for training: {refused[0].report.symbol}: "
                f"{'; '.join(refused[0].reasons)}; mend the data, change the setting, or name it in quality.allow"
            )
        rows = [
            {
                "symbol": verdict.report.symbol,
                "bars": verdict.report.bars,
                "coverage_frac": verdict.report.coverage_frac,
                "accepted": verdict.accepted,
                "reasons": list(verdict.reasons),
            }
            for verdict in verdicts
        ]
        line = f"{len(verdicts) - len(refused)} of {len(verdicts)} coins fit, newest candle {format_ms(newest_ms)}"
        return {"line": line, "symbols": rows}

    def train(self) -> Outcome:
        """Search and train, or go on from the newest version that fits; register what comes of it."""
        self._ray()
        asked = requests_of_cycle(self.engine, self.cycle.cycle_id)
        with self._working() as claim:
            done = read_run(self.engine, self.run_id).status == "done"
            if not done:
                own_folder(self.run_folder, claim.run, claim.token)
            warm, choice = warm_start_of(
                self.dataset, self.folds, self.engine, self.run_id, self.run_folder, self.cycle.day, asked
            )
            if not done:
                with self._ending(claim):
                    train(self.dataset, self.folds, self.engine, claim, TerminalProgress(), warm)
        seeds = [seed for version in self.campaign.versions for seed in version.seeds]
        steps = sum(seed.env_steps for seed in seeds)
        trials = read_trials(self.engine, self.run_id)
        began = f"from run {choice.run_id}" if choice.run_id is not None else f"from nothing ({choice.reason})"
        return {
            "line": f"{len(seeds)} trainings {began}, {steps:,} environment steps, {len(trials)} trials searched",
            "run_id": self.run_id,
            "asked": [one.reason for one in asked],
            "warm_from": choice.run_id,
            "reason": choice.reason,
            "env_steps": steps,
            "seconds": sum(seed.wall_s for seed in seeds),
            "trials": len(trials),
            "trials_on_candles": count_trials(self.engine, self.dataset.summary.fingerprint),
            "versions": [model.version for model in self.models],
        }

    def shadow(self) -> Outcome:
        """Trade every fold's version on its test, beside seeds, baselines and chance."""
        self._ray()
        url = database_url(self.settings.database)
        with self._working(), phase(self.engine, self.run_id, "shadow"):
            report = shadow(self.judged, self.folds, self.campaign.versions, url=url, run_id=self.run_id)
        write_atomically(self.run_folder / REPORT_NAME, json.dumps(to_json(report), allow_nan=False).encode())
        policy = report.policy
        return {
            "line": f"{report.verdict.headline} ({policy.trades.trades} trades on {len(report.day_ms)} days)",
            "days": len(report.day_ms),
            "trades": policy.trades.trades,
            "net": policy.metrics.pnl_total,
            "reason": report.verdict.reason,
        }

    def compare(self) -> Outcome:
        """Trade each scope's champion on the days that neither has learnt from, beside the new version."""
        rows = [
            beside_champion(self.dataset, self.folds, self.campaign, model, Registry(self.engine), self._load)
            for model in self.models
        ]
        return {"line": "; ".join(row.line for row in rows), "versions": [row.to_json() for row in rows]}

    def analyse(self) -> Outcome:
        """Say why the trades won or lost, in shadow and, as far as these candles reach, on paper and live."""
        with self._working(), phase(self.engine, self.run_id, "analysis"):
            mine = analyse_shadow(self.judged, self.campaign.versions, self.engine, self.run_id)
        save_analysis(self.run_folder, None if mine is None else mine.analysis)
        rows = [] if mine is None else [_analysed(self.run_id, mine)]
        left_out = []
        for run_id, mode in self._traded():
            try:
                settings = self._settings_of(run_id)
                dataset = load_dataset(settings, MarketClock(self.end_ms))
                done = analyse_traded(dataset, self.engine, run_id, mode, until_ms=self.end_ms)
            except HuracanError as error:  # one trading run that cannot be explained does not end the others' cycle
                left_out.append({"run_id": run_id, "mode": mode, "reason": str(error)})
                continue
            rows += [_analysed(run_id, one) for one in done]
        count = sum(row["analysed"] for row in rows)
        line = f"{count:,} closed trades explained"
        return {"line": line + (f", {len(left_out)} trading runs not" if left_out else ""), "runs": rows,
                "left_out": left_out}  # fmt: skip

    def performance(self) -> Outcome:
        """Bring the results of every version by day up to date."""
        changed = record_traded_days_of_versions(self.engine)
        mine = {model.version for model in self.models}
        rows = [row for row in read_version_days(self.engine) if row.version in mine]
        return {
            "line": f"{len(rows)} days of the new version in shadow, {changed} days of traded versions new or changed",
            "days": len(rows),
            "traded_days_changed": changed,
        }

    def gate(self) -> Outcome:
        """Ask the promotion gate about each new version, once."""
        rows = []
        for model in self.models:
            asked = [one for one in read_gates(self.engine, model.version) if one.author == self.author]
            if asked:
                report: Any = asked[0].report
            else:
                report = to_json(run_gate(self.engine, model.version, self.settings.gate, self.author))
            rows.append({"version": model.version, "report": report})
        passed = sum(row["report"]["passed"] for row in rows)
        missed = "; ".join(
            f"{one['name']}: {one['note']}" for row in rows for one in row["report"]["criteria"] if not one["passed"]
        )
        line = f"passed by {passed} of {len(rows)}" + (f"; not met: {missed}" if missed else "")
        return {"line": line, "versions": rows}

    def promote(self) -> Outcome:
        """Move each version that the gate passed as far as the configuration and the comparison allow."""
        compared = {row["version"]: row for row in self._cycle().outcome("compare")["versions"]}
        rows = []
        for model in self.models:
            standing = Standing.of(compared[model.version])
            rows.append(promotion_of(self.engine, model, standing, self.settings.retrain.promote_to, self.author))
        return {"line": "; ".join(row["line"] for row in rows), "versions": rows}

    def _cycle(self) -> Cycle:
        from huracan.memory import read_cycle

        return read_cycle(self.engine, self.cycle.cycle_id)

    def _ray(self) -> None:
        self._stack.enter_context(ray_session(self.settings.ray))

    @contextmanager
    def _working(self) -> Iterator[Claim]:
        """Keep the run to this process and name it in the log."""
        with claim_run(self.engine, self.run_id) as claim, bind_run(self.run_id):
            yield claim

    @contextmanager
    def _ending(self, claim: Claim) -> Iterator[None]:
        """Set the run going for the block and record how it ends."""
        resume_run(self.engine, self.run_id, self.settings, self.dataset.summary.fingerprint)
        try:
            yield
        except (KeyboardInterrupt, SystemExit):
            claim.finish("interrupted")
            raise
        except BaseException as error:
            claim.finish("failed", f"{type(error).__name__}: {error}")
            raise
        claim.finish("done")

    def _traded(self) -> list[tuple[int, Any]]:
        """Return (run, mode) of everything that closed a trade on paper or live by the day's first moment."""
        with translated(self.engine), self.engine.connect() as connection:
            return [(row[0], row[1]) for row in connection.execute(text(TRADED_RUNS), {"end_s": self.end_ms // 1_000})]

    def _settings_of(self, run_id: int) -> Settings:
        """Return a trading run's own settings on this cycle's candles."""
        from huracan.config import load_settings

        base = json.loads(read_run(self.engine, run_id).config_json)
        return load_settings(None, {"data.folder": str(self.settings.data.folder)}, environ={}, base=base)

    def _fresh(self, whose: str, newest_ms: int) -> None:
        behind_days, max_days = (self.end_ms - newest_ms) / DAY_MS, self.settings.retrain.stale_max_days
        if behind_days > max_days:
            raise RefusedError(
                f"the newest candle {whose} closed at {format_ms(newest_ms)}, {behind_days:.1f} days before "
                f"{self.cycle.day} (retrain.stale_max_days {max_days:g}); download newer ones, or give the day "
                "that they reach with --day"
            )

    def _folder(self) -> Location:
        folder = self.settings.data.folder
        if folder is None:
            raise DataError("no folder of candles; give --data, or set data.folder")
        return folder

    def _disk(self) -> str:
        free_mb = shutil.disk_usage(home_folder()).free // 2**20
        if free_mb < DISK_MIN_MB:
            raise ConfigError(f"{free_mb} MB are free in {home_folder()}, {DISK_MIN_MB} are needed; free some space")
        return f"{free_mb:,} MB free"

    @staticmethod
    def _champion(model: Model) -> str:
        check_artefact(model)
        return f"artefact {model.sha256[:12]} as registered"

    @staticmethod
    def _check(name: str, check: Callable[[], str]) -> dict[str, Any]:
        try:
            return {"check": name, "passed": True, "found": check()}
        except HuracanError as error:
            return {"check": name, "passed": False, "found": str(error)}


def _store_of(folder: Location, settings: Settings) -> tuple[Location, str, Sequence[str]]:
    """Return the root of the store behind a folder, its timeframe, and the symbols to keep up to date.

    Raises:
        DataError: files lie flat in a folder that no store has, or nothing says what to download.
    """
    data = settings.data
    if folder.name in TIMEFRAMES:
        root, timeframe = folder.parent, folder.name
    elif any(folder.glob("*.parquet")):
        raise DataError(
            f"{folder}: holds candle files itself, and a download writes to <folder>/<timeframe>/; name a folder of "
            "that kind, or set retrain.download to false"
        )
    else:
        stored = [name for name in TIMEFRAMES if (folder / name).is_dir()]
        root, timeframe = folder, data.timeframe or (stored[0] if len(stored) == 1 else "1m")
    kept = open_folder(root, timeframe).symbols if any((root / timeframe).glob("*.parquet")) else ()
    symbols = data.symbols or kept
    if not symbols:
        raise DataError(f"{folder}: holds no candles yet; say what to download in data.symbols (and data.timeframe)")
    leader = leader_of(data.leader_symbol, kept)
    return root, timeframe, sorted({*symbols, *([leader] if leader else [])})


def _analysed(run_id: int, done: Done) -> dict[str, Any]:
    a = done.analysis
    return {
        "run_id": run_id,
        "mode": a.mode,
        "policy": a.policy,
        "account": a.account,
        "trades": a.trades,
        "analysed": a.analysed,
        "wins": a.wins,
        "losses": a.losses,
        "unexplained_losses": a.unexplained_losses,
    }
