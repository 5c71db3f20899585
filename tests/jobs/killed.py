"""`python -m tests.jobs.killed STEP MOMENT ...`: the retrain job, killed outright at a moment of a step.

`begun`: the step is noted as running and has done nothing; `undone`: it has done everything and that is not noted yet.
"""

import os
import signal
import sys

import jobs.retrain
from huracan.learn.cycle import Outcome

__all__ = ["KilledLog"]


class KilledLog(jobs.retrain.StoredLog):
    """The job's log, at which its process dies."""

    step = ""
    moment = ""

    def start(self, step: str) -> None:
        """Note the start, then die if this is the place."""
        super().start(step)
        self._die_at(step, "begun")

    def done(self, step: str, wall_s: float, outcome: Outcome) -> None:
        """Die if this is the place, else note the end."""
        self._die_at(step, "undone")
        super().done(step, wall_s, outcome)

    def _die_at(self, step: str, moment: str) -> None:
        if (step, moment) == (self.step, self.moment):
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    KilledLog.step, KilledLog.moment = sys.argv[1:3]
    del sys.argv[1:3]
    jobs.retrain.StoredLog = KilledLog  # type: ignore[misc]
    jobs.retrain.main()
