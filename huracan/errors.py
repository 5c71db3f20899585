"""Every fault huracan raises, as one tree; the exit code is what the command line returns.

HuracanError                  1
├── UsageError                2   what the user passed or configured cannot be used
│   ├── ConfigError           2   a setting is unknown, mistyped or contradictory
│   ├── DataError             2   candles are missing, unreadable or unfit
│   └── ArtefactError         2   a policy artefact fails one of its checks
├── DatabaseError             1   Postgres cannot be reached, or its schema is not ours
├── FencedError               1   another executor holds the account's lease
├── VenueError                1   an exchange did not answer as its protocol says
├── TrainingError             1   training cannot go on (non-finite loss, no runner left)
├── ServeError                1   something that stays up does not come up, or does not answer
├── StorageError              1   an object store does not answer, denies, or lacks the bucket
├── RefusedError              3   a gate or a risk rule said no
│   └── EvidenceError         3   too little or damaged evidence for a statistic
└── InvariantError            1   the code contradicts itself: a defect, never the user's fault

A message is one line: what was found, where, and what to do. Refusals inside the trading loop are values
(`Denied(code, ...)`), not exceptions.
"""

__all__ = [
    "ArtefactError",
    "ConfigError",
    "DataError",
    "DatabaseError",
    "EvidenceError",
    "FencedError",
    "HuracanError",
    "InvariantError",
    "RefusedError",
    "ServeError",
    "StorageError",
    "TrainingError",
    "UsageError",
    "VenueError",
]


class HuracanError(Exception):
    """Base of every fault; `exit_code` is the command line's return value."""

    exit_code = 1


class UsageError(HuracanError):
    """What the user passed or configured cannot be used: mend it and run again."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting is unknown, mistyped or contradicts another."""


class DataError(UsageError):
    """Candles are missing, unreadable, or unfit for training."""


class ArtefactError(UsageError):
    """A policy artefact fails a check: do not serve it, export it again."""


class DatabaseError(HuracanError):
    """Postgres cannot be reached, or its schema is not the one this version needs."""


class FencedError(HuracanError):
    """Another executor has acquired the account's lease: stop at once, send nothing, write nothing."""


class VenueError(HuracanError):
    """An exchange did not answer as its protocol says; safe to run again."""


class TrainingError(HuracanError):
    """Training cannot go on; what was finished is kept and can be resumed."""


class ServeError(HuracanError):
    """Something that stays up does not come up, or does not answer; safe to run again."""


class StorageError(HuracanError):
    """An object store does not answer, denies access or lacks the bucket; what was there before stands."""


class RefusedError(HuracanError):
    """A gate or a risk rule said no; the message names the rule and the figures."""

    exit_code = 3


class EvidenceError(RefusedError):
    """A statistic cannot be computed: the message says what is missing or damaged, and what to do."""


class InvariantError(HuracanError):
    """The code contradicts itself: a defect. Stop, keep the evidence, report it."""
