"""Learning sampled: what is in the registry, how old champion and daily cycle are, what runs and what failed."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Engine, text

from huracan.health.sampling import sample
from huracan.memory import translated
from huracan.memory.health import Sample
from huracan.memory.registry import PROVEN

__all__ = ["LearningSampler"]

_QUESTIONS: Final[dict[str, str]] = {
    "learning.versions": "SELECT CAST(stage AS text), count(*) FROM models GROUP BY 1",
    "learning.proven": f"SELECT '', count(*) FROM models WHERE {PROVEN}",  # noqa: S608 - constant text
    "learning.champion_age_s": """SELECT scope, extract(epoch FROM clock_timestamp() - max(at)) FROM models
        JOIN model_events USING (model_id) WHERE stage = 'champion' AND to_stage = 'champion' GROUP BY scope""",
    "learning.cycle_age_s": """SELECT scope, extract(epoch FROM clock_timestamp() - max(started_at)) FROM retrain_cycles
        GROUP BY scope""",
    "learning.steps_failed": """SELECT scope, count(*) FILTER (WHERE state = 'failed') FROM (SELECT DISTINCT ON (scope)
        scope, cycle_id FROM retrain_cycles ORDER BY scope, cycle_id DESC) newest
        LEFT JOIN retrain_steps USING (cycle_id) GROUP BY scope""",
    "learning.runs_running": "SELECT kind, count(*) FROM runs WHERE status = 'running' GROUP BY kind",
    "learning.runs_failed": """SELECT kind, count(*) FROM runs WHERE status = 'failed'
        AND finished_at > clock_timestamp() - interval '1 day' GROUP BY kind""",
    "learning.trials": "SELECT '', count(*) FROM trials",
    "learning.retrain_waiting": "SELECT '', count(*) FROM retrain_requests WHERE taken_at IS NULL",
    "learning.remembered": "SELECT CAST(mode AS text), count(*) FROM trade_memory GROUP BY mode",
    "learning.net": """SELECT policy || ' ' || CAST(mode AS text), sum(net) FROM (SELECT policy, mode, net, dense_rank()
            OVER (PARTITION BY policy, mode ORDER BY day DESC) AS age FROM model_performance
            JOIN models ON models.version = model_performance.policy AND models.stage <> 'retired'
            WHERE day IS NOT NULL) days WHERE age <= 30 GROUP BY policy, mode""",
}


class LearningSampler:
    """Asks Postgres; a count over all trades takes a while, so it is asked once a minute.

    Args:
        engine: of the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def source(self) -> str:
        """See `Sampler`."""
        return "learning"

    def sample(self, now_ms: int) -> Sequence[Sample]:
        """See `Sampler`.

        Raises:
            DatabaseError: the server fails.
        """
        found: list[Sample] = []
        with translated(self._engine), self._engine.connect() as connection:
            for name, question in _QUESTIONS.items():
                rows: Any = connection.execute(text(question)).all()
                for subject, value in rows:
                    found += sample(now_ms, name, None if value is None else float(value), str(subject))
        return tuple(found)
