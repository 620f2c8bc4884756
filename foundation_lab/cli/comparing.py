"""``foundation-lab compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foundation_lab.cli.app import app
from foundation_lab.cli.arguments import (
    AsJson,
    Force,
    Overrides,
    ScenarioFile,
    Seed,
    Until,
    scenario_path,
)
from foundation_lab.cli.exit_codes import INTERRUPTED
from foundation_lab.cli.output import print_json, print_table, refuse, say
from foundation_lab.cli.targets import require_page

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording
    from foundation_lab.reporting import AggregateSummary, Summary

AS_IT_IS = "as it is"
"""What a scenario without any changes is called beside its variants."""


@app.command(
    epilog="Examples: [bold]foundation-lab compare scenarios/retry_storm.yaml[/bold]  ·  "
    "[bold]foundation-lab compare scenarios/retry_storm.yaml --variant two_attempts "
    "--out compared.html[/bold]"
)
def compare(
    scenario: ScenarioFile,
    variants: Annotated[
        list[str] | None,
        typer.Option(
            "--variant", help="Which variants; all of them without it.", show_default=False
        ),
    ] = None,
    seed: Seed = None,
    until: Until = None,
    overrides: Overrides = None,
    client: Annotated[
        str | None,
        typer.Option(
            help="Whose requests the figure shows; everybody's without it.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Write a figure as an HTML page.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
    force: Force = False,
) -> None:
    """Run a scenario as it is and in its variants, and compare what became of the requests."""
    from foundation_lab import lab
    from foundation_lab.errors import UnknownName
    from foundation_lab.reporting import summarise, summarise_aggregates
    from foundation_lab.scenario.load import load_scenario

    path = scenario_path(scenario)
    if out is not None:
        require_page(out, force=force)
    whole = load_scenario(path)
    if client is not None and client not in whole.workloads:
        raise UnknownName.among("workload", client, list(whole.workloads))
    named = variants or list(whole.variants)
    runs = {
        name or AS_IT_IS: load_scenario(
            path, variant=name, overrides=overrides or (), seed=seed, until=until
        )
        for name in (None, *named)
    }
    counted = [name for name, chosen in runs.items() if chosen.keep == "aggregates"]
    if counted and out is not None:
        refuse(
            f"the figure of --out needs events, and {counted[0]!r} keeps aggregates only; leave "
            "--out out, or give --set keep=events"
        )
    recordings: dict[str, Recording] = {}
    summaries: dict[str, Summary | AggregateSummary] = {}
    for name, chosen in runs.items():
        if name in counted:
            summaries[name] = summarise_aggregates(lab.aggregate(chosen))
        else:
            recordings[name] = lab.run(chosen)
            summaries[name] = summarise(recordings[name])
        if summaries[name].run.status == "interrupted":
            say(f"interrupted while it ran {name}: nothing is compared")
            raise typer.Exit(INTERRUPTED)
    if out is not None:
        from foundation_lab.reporting.charts import comparison

        title = next(iter(runs.values())).name
        page = comparison(recordings, client=client, title=title).to_html(div_id="comparison")
        aside = out.with_name(f".{out.name}.part")
        aside.write_text(page, encoding="utf-8")
        aside.replace(out)
    if as_json:
        import msgspec

        clients = {name: msgspec.to_builtins(each.clients) for name, each in summaries.items()}
        print_json({"runs": clients, "figure": None if out is None else str(out)})
        return
    from foundation_lab.terminal import render_comparison

    print_table(render_comparison(summaries))
    if out is not None:
        print(f"figure  {out}")
