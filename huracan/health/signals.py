"""Every number that the monitor measures, by name: whose it is, what it says, and of whom."""

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["SIGNALS", "Signal", "signal_table"]

Source = Literal["database", "trader", "feed", "host", "ray", "learning", "notices", "monitor"]


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that is measured.

    Attributes:
        source: who is asked.
        words: what it says.
        subject: of whom there is one each; "": there is only one.
    """

    source: Source
    words: str
    subject: str = ""


SIGNALS: Final[dict[str, Signal]] = {
    # -- Postgres ---------------------------------------------------------------------------------------------------
    "database.up": Signal("database", "1: it answers, 0: it does not."),
    "database.latency_ms": Signal("database", "Time of the smallest question, on an open connection."),
    "database.connections_frac": Signal("database", "Connections in use, share of what the server allows."),
    "database.size_mb": Signal("database", "Size of the database."),
    "database.oldest_transaction_s": Signal(
        "database", "Age of the oldest open transaction; it keeps rows from dying."
    ),
    "database.waiting": Signal("database", "Sessions that wait for another's lock."),
    # -- an account -------------------------------------------------------------------------------------------------
    "trader.lease_s": Signal("trader", "How long its trader's lease still lasts; 0: nobody trades.", "account"),
    "trader.close_age_s": Signal("trader", "Since a close was last carried out, wall clock.", "account"),
    "trader.decision_age_s": Signal("trader", "Since a decision was last made, wall clock.", "account"),
    "trader.state": Signal("trader", "0: ACTIVE, 1: REDUCING, 2: HALTED.", "account"),
    "trader.positions": Signal("trader", "Markets in which something is held.", "account"),
    "trader.open_orders": Signal("trader", "Orders that are not over.", "account"),
    "trader.unknown_orders": Signal("trader", "Orders whose fate is not known.", "account"),
    "trader.equity": Signal("trader", "Cash and positions at the last close, quote currency.", "account"),
    "trader.day_result": Signal("trader", "Result of the UTC day, realised and unrealised, quote currency.", "account"),
    "trader.decisions": Signal("trader", "Decisions of the last hour.", "account"),
    "trader.decision_ms": Signal("trader", "Candle heard to decision made, median of the last hour.", "account"),
    "trader.sent_ms": Signal("trader", "Candle heard to order marked as sent, median of the last hour.", "account"),
    "trader.sent_p99_ms": Signal("trader", "The same, 99th percentile.", "account"),
    "trader.orders": Signal("trader", "Orders sent in the last hour.", "account"),
    "trader.rejects_frac": Signal("trader", "Of the last hour's orders the share that the venue refused.", "account"),
    "trader.fill_frac": Signal(
        "trader", "Of what entries that ended in the last hour wanted the share filled.", "account"
    ),
    "trader.denied": Signal("trader", "Intents of the last hour that risk denied.", "account"),
    "trader.trades": Signal("trader", "Trades closed in the last 24 hours.", "account"),
    "trader.slippage_bps": Signal(
        "trader", "Slippage of the last 24 hours' trades, mean, of the value bought.", "account"
    ),
    "trader.alarms": Signal("trader", "Alarms of the last 24 hours that a person must look at.", "account"),
    # -- the market -------------------------------------------------------------------------------------------------
    "feed.up": Signal("feed", "1: the market is followed, 0: it is not."),
    "feed.candle_age_s": Signal("feed", "Since the newest candle came.", "market; empty: any of them"),
    "feed.behind_bars": Signal("feed", "Bars by which the newest candle lags the market clock.", "market"),
    "feed.gaps": Signal("feed", "Closes since its start of which nobody has a candle."),
    "feed.late": Signal("feed", "Closes since its start that came after a newer one."),
    "feed.reconnects": Signal("feed", "Connections of the book streams lost since its start."),
    "feed.stale": Signal("feed", "Markets whose data is too old."),
    # -- machines and our processes on them -------------------------------------------------------------------------
    "host.cpu_frac": Signal("host", "Share of all cores in use since the last look.", "node"),
    "host.load_frac": Signal("host", "Runnable processes, mean of a minute, a core.", "node"),
    "host.memory_frac": Signal("host", "Share of memory that is not available.", "node"),
    "host.disk_frac": Signal("host", "Share of the disk under HURACAN_HOME in use.", "node"),
    "host.disk_free_mb": Signal("host", "What is free there.", "node"),
    "host.process_memory_mb": Signal("host", "Resident memory of one of our processes.", "process"),
    "host.process_cpu_frac": Signal("host", "Cores that it used since the last look.", "process"),
    "host.process_files_frac": Signal("host", "Share of the files that it may have open.", "process"),
    # -- Ray --------------------------------------------------------------------------------------------------------
    "ray.up": Signal("ray", "1: the cluster answers, 0: it does not."),
    "ray.nodes": Signal("ray", "Nodes alive."),
    "ray.nodes_dead": Signal("ray", "Nodes that died and are still listed."),
    "ray.actor_up": Signal("ray", "1: it is alive, 0: it is not.", "actor"),
    "ray.actor_restarts": Signal("ray", "How often Ray has restarted it.", "actor"),
    "ray.replica_up": Signal("ray", "1: it runs, 0: it starts, is replaced or ends.", "replica"),
    "ray.replicas": Signal("ray", "Replicas of the signals endpoint that run."),
    "ray.replicas_wanted": Signal("ray", "Replicas that should."),
    "ray.jobs_running": Signal("ray", "Submitted jobs that run."),
    "ray.jobs_failed": Signal("ray", "Submitted jobs that failed."),
    # -- learning ---------------------------------------------------------------------------------------------------
    "learning.versions": Signal("learning", "Versions in the registry.", "stage"),
    "learning.proven": Signal("learning", "Versions of which the promotion gate's word is yes."),
    "learning.champion_age_s": Signal("learning", "Since the champion was promoted.", "scope"),
    "learning.cycle_age_s": Signal("learning", "Since the newest daily cycle was begun.", "scope"),
    "learning.steps_failed": Signal("learning", "Steps of the newest daily cycle that failed.", "scope"),
    "learning.runs_running": Signal("learning", "Jobs that say they run.", "kind"),
    "learning.runs_failed": Signal("learning", "Jobs that failed in the last 24 hours.", "kind"),
    "learning.trials": Signal("learning", "Candidates ever tried; what the best is worth depends on it."),
    "learning.retrain_waiting": Signal("learning", "Requests to retrain that no cycle has taken up."),
    "learning.remembered": Signal("learning", "Closed trades in the memory.", "mode"),
    "learning.net": Signal(
        "learning", "Net result of the last 30 days with trades, quote currency.", "version and mode"
    ),
    # -- notices ----------------------------------------------------------------------------------------------------
    "notices.waiting": Signal("notices", "Deliveries that wait."),
    "notices.sent": Signal("notices", "Deliveries of the last 24 hours that arrived."),
    "notices.held": Signal("notices", "Deliveries of the last 24 hours that were only counted in a message."),
    "notices.failed": Signal("notices", "Deliveries of the last 24 hours that were given up."),
    "notices.failures_in_a_row": Signal("notices", "Messages in a row that it did not take.", "destination"),
    "notices.kept_in_memory": Signal("notices", "Notices that Postgres has not taken yet."),
    "notices.lost": Signal("notices", "Notices lost in memory and not told of yet."),
    # -- the monitor itself -----------------------------------------------------------------------------------------
    "monitor.turn_s": Signal("monitor", "How long its last turn took."),
    "monitor.cpu_frac": Signal("monitor", "Cores that it used since the last turn."),
    "monitor.memory_mb": Signal("monitor", "Its resident memory."),
    "monitor.waiting": Signal("monitor", "Batches on disk that Postgres has not taken yet."),
    "monitor.lost": Signal("monitor", "Samples lost since its start: neither disk nor Postgres took them."),
    "monitor.errors": Signal("monitor", "Warnings and errors of all processes since the last turn."),
    "monitor.errors_lost": Signal("monitor", "Warnings and errors since its start that no file could take."),
    "monitor.blind": Signal("monitor", "Detectors that could not look."),
    "monitor.deaf": Signal("monitor", "Sources that did not answer."),
}


def signal_table() -> str:
    """Return the signals as a Markdown table, as the documentation shows them."""
    rows = ["| signal | of each | meaning |", "|---|---|---|"]
    rows += [f"| `{name}` | {one.subject or '-'} | {one.words} |" for name, one in SIGNALS.items()]
    return "\n".join(rows) + "\n"
