"""An account with coins, versions and a pattern library in a database, and everything that a remedy may change."""

import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pgvector import Vector
from sqlalchemy import Engine, text

from huracan.config import RemedyRule, Settings, load_settings
from huracan.errors import ServeError
from huracan.features import windows_for
from huracan.health.remedies import Hands, Remedies
from huracan.memory import open_run, record_gate
from huracan.memory.health import Anomaly, Severity
from huracan.memory.registry import Registry
from huracan.memory.remediations import Remediation, read_remediations
from huracan.patterns import state_layout
from huracan.patterns.clusters import embedding_bytes
from huracan.policy import NetworkSpec, export_artefact
from tests.policy.recipes import make_card, make_nets, random_normaliser
from tests.risk.groups import groups

__all__ = ["COINS", "HOUR", "MINUTE", "T0", "Broken", "Restarted", "World", "anomaly", "rule", "world"]

COINS = ("A/USDT", "B/USDT", "C/USDT", "D/USDT")
T0 = 1_760_000_000_000
MINUTE = 60_000
HOUR = 3_600_000
LAYOUT = state_layout(windows_for("1m", None))
_numbers = itertools.count()


class Restarted:
    """Hands that note what they were asked for."""

    def __init__(self) -> None:
        self.parts: list[tuple[str, str]] = []

    def restart(self, part: str, subject: str) -> None:
        """See `Hands`."""
        self.parts.append((part, subject))


class Broken:
    """Hands that cannot."""

    def restart(self, part: str, subject: str) -> None:
        """See `Hands`."""
        raise ServeError(f"there is no {part}")


def rule(detector: str, remedy: str, mode: str = "act", **more: Any) -> RemedyRule:
    """Return a line of the table for anomalies of any severity."""
    return RemedyRule.model_validate({"detector": detector, "remedy": remedy, "mode": mode, "severity": "info", **more})


@dataclass
class World:
    """One account of its own in a shared database."""

    database: Engine
    account: str
    scope: str
    hands: Hands | None = None
    versions: list[str] = field(default_factory=list)
    set_id: int = 0

    def settings(self, *rules: RemedyRule, **more: Any) -> Settings:
        """Return the configuration with these rules alone."""
        changes = {"remedies.rules": [one.model_dump() for one in rules], "execution.account": self.account}
        return load_settings(None, changes | {f"remedies.{name}": value for name, value in more.items()}, {})

    def remedies(self, *rules: RemedyRule, **more: Any) -> Remedies:
        """Return what acts by these rules alone."""
        return Remedies(self.database, self.settings(*rules, **more), self.hands)

    def store(self, wrong: Anomaly) -> None:
        """Write an anomaly down as open."""
        with self.database.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO anomalies (account, detector, subject, severity, words, means, noticed_at, seen_at) "
                    "VALUES (:account, :detector, :subject, :severity, 'w', 'm', to_timestamp(:s), to_timestamp(:s))"
                ),
                {
                    "account": wrong.account,
                    "detector": wrong.detector,
                    "subject": wrong.subject,
                    "severity": wrong.severity,
                    "s": wrong.noticed_ms / 1_000,
                },
            )

    def end(self, wrong: Anomaly) -> None:
        """End an open anomaly."""
        with self.database.begin() as connection:
            connection.execute(
                text(
                    "UPDATE anomalies SET ended_at = noticed_at WHERE ended_at IS NULL "
                    "AND account = :account AND detector = :detector AND subject = :subject"
                ),
                {"account": wrong.account, "detector": wrong.detector, "subject": wrong.subject},
            )

    def rows(self) -> list[Remediation]:
        """Return the account's rows, oldest first."""
        return list(reversed(read_remediations(self.database, self.account)))

    def state(self, state: str, author: str, reason: str = "because") -> None:
        """Append a trading state."""
        self._execute(
            """INSERT INTO trading_state (account_no, seq, state, author, reason, at)
            SELECT account_no,
                1 + coalesce((SELECT max(seq) FROM trading_state t WHERE t.account_no = a.account_no), 0),
                :state, :author, :reason, now() FROM accounts a WHERE name = :account""",
            state=state,
            author=author,
            reason=reason,
        )

    def newest_state(self) -> tuple[str, str]:
        """Return the trading state and its author."""
        with self.database.connect() as connection:
            row = connection.execute(
                text(
                    "SELECT state, author FROM trading_state JOIN accounts USING (account_no) WHERE name = :account "
                    "ORDER BY seq DESC LIMIT 1"
                ),
                {"account": self.account},
            ).one_or_none()
        return ("ACTIVE", "") if row is None else (row[0], row[1])

    def control(self) -> str:
        """Return everything that decides what the account may do, as one text: equal texts allow the same."""
        queries = {
            "state": """SELECT state FROM trading_state JOIN accounts USING (account_no) WHERE name = :account
                ORDER BY seq DESC LIMIT 1""",
            "locks": """SELECT symbol, code, detail, from_at::text, until_at::text FROM locks
                JOIN accounts USING (account_no) WHERE name = :account AND ended_at IS NULL ORDER BY lock_no""",
            "restrictions": """SELECT remediation_id, kind, subject, value, expires_at::text, after::text
                FROM remediations WHERE account = :account AND state = 'applied' ORDER BY remediation_id""",
            "models": "SELECT version, stage::text, artefact, sha256 FROM models WHERE scope = :scope ORDER BY version",
        }
        values = {"account": self.account, "scope": self.scope}
        with self.database.connect() as connection:
            found = {
                name: [list(row) for row in connection.execute(text(query), values)] for name, query in queries.items()
            }
        found["state"] = found["state"] or [["ACTIVE"]]
        return json.dumps(found, sort_keys=True)

    def lock(self, symbol: str) -> None:
        """Lock a coin as a person does."""
        self._execute(
            """INSERT INTO locks (account_no, from_at, symbol, code, detail, author)
            SELECT account_no, now(), :symbol, 'MANUAL', 'by hand', 'ann' FROM accounts WHERE name = :account""",
            symbol=symbol,
        )

    def register(self, folder: Path, count: int, proven: bool = True) -> None:
        """Register versions, each champion after the other; the artefacts are real."""
        registry, run_id = Registry(self.database), open_run(self.database, "train", Settings(), "f", "0.1.0")
        first = len(self.versions) + 1
        for seed in range(first, first + count):
            place = folder / f"v{seed}"
            normaliser, spec = random_normaliser(seed), NetworkSpec((8, 8), "tanh")
            artefact = export_artefact(
                place, make_nets(normaliser, spec, (seed,)), make_card(normaliser, spec, (seed,))
            )
            version = f"{self.account}:v{seed}"
            registry.register(run_id, version, self.scope, str(place), artefact.sha256, {}, "ann")
            if proven:
                record_gate(self.database, version, artefact.sha256, True, {}, "ann")
            for _ in ("shadow", "champion"):
                registry.promote(version, "ann", "up", forced=not proven)
            self.versions.append(version)

    def library(self, layout: int = LAYOUT, count: int = 2) -> int:
        """Write a pattern library of two groups, or of fewer, and return its set's number."""
        run_id = open_run(self.database, "shadow", Settings(), "f", "0.1.0")
        made = groups()
        with self.database.begin() as connection:
            cursor = connection.connection.cursor()
            cursor.execute(
                """INSERT INTO pattern_sets (run_id, mode, policy, account, as_of, layout, base_ms, hold_ms, trades,
                    left_out, seed, tried, embedding, digest)
                VALUES (%s, 'paper', 'v', %s, now(), %s, 60000, 60000, 200, 0, 1, '[]', %s, %s) RETURNING set_id""",
                (run_id, self.account, layout, embedding_bytes(made.embedding), "ab" * 32),
            )
            ((self.set_id,),) = cursor.fetchall()
            for number in range(1, count + 1):
                cursor.execute(
                    """INSERT INTO pattern_library (set_id, number, stage, nature, occurrences, wins, days, base_rate,
                        win_rate, win_low, win_high, mean_r, p_value, q_value, net, fees, slippage, mfe_r, mae_r,
                        hold_ms, first_at, last_at, coins, exits, regimes, traits, centroid)
                    VALUES (%s, %s, 'bad', 'low', 100, 30, 10, 0.5, 0.3, 0.2, 0.4, -0.2, 0.01, 0.02, -10, -1, -1,
                        0.5, -0.5, 60000, now(), now(), '[]', '[]', '[]', '[]', %s)""",
                    (self.set_id, number, Vector(made.centres[number - 1].tolist()).to_text()),
                )
        return self.set_id

    def _execute(self, statement: str, **values: Any) -> None:
        with self.database.begin() as connection:
            connection.execute(text(statement), {"account": self.account, **values})


def world(database: Engine, hands: Hands | None = None) -> World:
    """Return a new account that trades four coins."""
    number = next(_numbers)
    found = World(database, f"account-{number}", f"S{number}/USDT", hands)
    with database.begin() as connection:
        connection.execute(text("INSERT INTO accounts (name) VALUES (:name)"), {"name": found.account})
        for symbol in COINS:
            connection.execute(
                text(
                    "INSERT INTO markets (account_no, symbol) "
                    "SELECT account_no, :symbol FROM accounts WHERE name = :name"
                ),
                {"symbol": symbol, "name": found.account},
            )
    return found


def anomaly(
    account: World, detector: str = "d", subject: str = "", severity: Severity = "critical", **more: Any
) -> Anomaly:
    """Return something that is wrong with an account."""
    at_ms = more.pop("at_ms", T0)
    words = f"{detector} is off"
    return Anomaly(detector, account.account, subject, severity, words, "look", at_ms, at_ms, evidence=more)
