"""The command line of the lab: one command for everything that the docs quote a figure of."""

from __future__ import annotations

from typing import NoReturn

import typer

from proxyset import cli
from proxyset.console import command as start
from proxyset_lab.cli import experiments, measurements, reference, server, studies, whole

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="What proxyset's figures were measured with: experiments on real data, speed, the server under load.",
)
for command in (
    experiments.list_, experiments.fetch, experiments.run, experiments.report,
    whole.all_, whole.where, whole.figures,
    studies.fleets, studies.skew, studies.cross, studies.adapt, studies.left_out, studies.fixmatch, studies.persons,
    studies.ranked, studies.rules, studies.noisy_labels, studies.planner, studies.flower,
    studies.demo_page,
    measurements.speed, measurements.scale, measurements.encoding, measurements.client, measurements.vdaf,
    server.load, server.kill, server.siege, server.combine, server.look,
):  # fmt: skip
    app.command(command.__name__.rstrip("_").replace("_", "-"))(command)
app.command("reference", hidden=True)(reference.reference)


@app.callback()
def _root() -> None:
    """`--debug`, which `proxyset.cli.run` takes off wherever it stands, shows a traceback when something fails."""


def run(arguments: list[str]) -> int:
    """Run one command and return its exit status."""
    return cli.run(arguments, app, "proxyset-lab")


def main() -> NoReturn:
    """Entry point of the `proxyset-lab` command."""
    start(__name__)
