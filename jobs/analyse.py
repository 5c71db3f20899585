"""Why closed trades won or lost, and what came after: `python -m jobs.analyse --run-id 7`.

Reads a run's closed trades from Postgres and the candles they were made on, writes an analysis a trade beside them, and
keeps the summary for the report. Run again it changes nothing; stopped half-way it has written all or nothing.
"""

import sys
from collections.abc import Sequence

import click
from sqlalchemy import Engine, text

from huracan.analysis import RegimeRow, RuleRow
from huracan.config import run_folder
from huracan.errors import UsageError
from huracan.learn.blocks import load_dataset
from huracan.learn.campaign import read_campaign
from huracan.logs import bind_run
from huracan.memory import read_run, translated
from huracan.shadow import COIN_ACCOUNT, ENSEMBLE
from huracan.storage import Location
from huracan.terminal import PLACE, Terminal, run, standalone
from jobs.explain import Done, Mode, analyse_shadow, analyse_traded, save_analysis
from jobs.shadow import open_runs, trained_run

__all__ = ["main", "program"]

NEWEST_RUN = (
    "SELECT max(run_id) FROM trade_memory WHERE mode = CAST(:mode AS trade_mode) "
    "AND (CAST(:account AS text) IS NULL OR account = :account)"
)


@standalone("analyse")
@click.option("--run-id", type=int, help="Run whose trades are analysed; default: the newest with such trades.")
@click.option("--data", type=PLACE, help="Folder of candles; default: the run's.")
@click.option("--mode", type=click.Choice(["shadow", "paper", "live"]), default="shadow", show_default=True)
@click.option("--policy", help="Shadow: seed or baseline to analyse instead of the ensemble.")
@click.option("--account", help="Shadow: coin or portfolio; paper and live: the account's name. Default: coin, all.")
def program(
    terminal: Terminal, run_id: int | None, data: Location | None, mode: Mode, policy: str | None, account: str | None
) -> None:
    """Say why closed trades won or lost, and what would have served them better."""
    engine = open_runs(terminal.settings())
    if mode == "shadow":
        found = trained_run(engine, run_id)
    else:
        found = read_run(engine, _newest(engine, mode, account) if run_id is None else run_id)
    settings = terminal.settings_of(found.config_json, data__folder=None if data is None else str(data))
    dataset = load_dataset(settings)
    folder = run_folder(settings, found.run_id)
    with bind_run(found.run_id):
        if mode == "shadow":
            campaign = read_campaign(folder)
            whose = policy or ENSEMBLE, account or COIN_ACCOUNT
            one = analyse_shadow(
                dataset.under(campaign.trading), campaign.versions, engine, found.run_id,
                policy=whose[0], account=whose[1],
            )  # fmt: skip
            done: tuple[Done, ...] = () if one is None else (one,)
            if whose == (ENSEMBLE, COIN_ACCOUNT):
                save_analysis(folder, None if one is None else one.analysis)
        else:
            done = analyse_traded(dataset, engine, found.run_id, mode, account)
    terminal.show(done, lambda: _tables(terminal, done))


def _newest(engine: Engine, mode: Mode, account: str | None) -> int:
    """Return the newest run with closed trades of a mode."""
    with translated(engine), engine.connect() as connection:
        found = connection.execute(text(NEWEST_RUN), {"mode": mode, "account": account}).scalar()
    if found is None:
        raise UsageError(f"there is no closed {mode} trade to analyse; trade first")
    return int(found)


def main() -> None:
    """Run the job on the process's arguments and leave with its exit code."""
    sys.exit(run(program, name="jobs.analyse"))


def _tables(terminal: Terminal, done: Sequence[Done]) -> None:
    """Print each analysis for a person: what explains losses and wins, regimes, proposals, and what is not known."""
    if not done:
        click.echo("no trade was closed: there is nothing to analyse")
    for one in done:
        a = one.analysis
        click.echo(
            f"{a.policy} ({a.account}, {a.mode}): {a.trades} closed trades, {a.analysed} analysed "
            f"in {one.wall_s:.1f} s, {one.rows_written} rows new or changed"
        )
        if a.skill is not None:
            click.echo(
                f"beyond chance: {a.skill.difference_bps:+.1f} bp a trade {_bounds(a.skill.low, a.skill.high)}, "
                f"{a.skill.shrunk_bps:+.1f} after shrinkage; "
                + ("no p-value on so few days" if a.skill.p_value is None else f"p {a.skill.p_value:.3f}")
            )
        columns = ("", "tested", "explained", "first", "mean R", "warned", "warned, the others")
        _rules(terminal, f"{a.losses} losses, {a.unexplained_losses} unexplained", columns, a.causes)
        _rules(terminal, f"{a.wins} wins, {a.unexplained_wins} unexplained", columns, a.factors)
        terminal.table(
            f"by regime at entry ({a.level:.0%} intervals)",
            ("regime", "trades", "wins", "net, bp a trade", "interval", "best hold, bars"),
            [
                (
                    row.name, row.trades, row.wins, f"{row.net_bps.mean:+.1f}",
                    _bounds(row.net_bps.low, row.net_bps.high),
                    _best_hold(row),
                )
                for row in a.regimes
            ],
        )  # fmt: skip
        for proposal in a.proposals:
            click.echo(f"{proposal.kind}: {proposal.status}; {proposal.reason}")
        for gap in a.gaps:
            click.echo(f"not known: {gap}")


def _best_hold(row: RegimeRow) -> str:
    if row.best_hold_bars is None:
        return "(too few trades or days)"
    return f"{row.best_hold_bars}{'' if row.hold_proven else ' (not proven to pay)'}"


def _rules(terminal: Terminal, title: str, columns: Sequence[str], rows: Sequence[RuleRow]) -> None:
    terminal.table(
        title,
        columns,
        [
            (
                row.name + (" (luck)" if row.luck else ""), row.tested, row.found, row.first,
                None if row.mean_r is None else f"{row.mean_r:+.2f}",
                None if row.warned is None else f"{row.warned:.0%}{', tells' if row.telling else ''}",
                None if row.warned_others is None else f"{row.warned_others:.0%}",
            )
            for row in rows
        ],
    )  # fmt: skip


def _bounds(low: float | None, high: float | None) -> str:
    return "(no interval)" if low is None or high is None else f"[{low:+.1f}, {high:+.1f}]"


if __name__ == "__main__":
    main()
