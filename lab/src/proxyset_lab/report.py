"""The report of an experiment: Markdown with SVG, LaTeX, one HTML file that needs nothing else, and all rows in Parquet."""

from __future__ import annotations

from html import escape
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from proxyset import atomic
from proxyset.errors import InvalidInput
from proxyset_lab.data.registry import find
from proxyset_lab.details import details_table
from proxyset_lab.experiment import Experiment
from proxyset_lab.figures import figures
from proxyset_lab.origin import stamp
from proxyset_lab.savings import savings
from proxyset_lab.store import SCHEMA, Store, row
from proxyset_lab.summary import summarise
from proxyset_lab.tables import Table, assumptions, by_share, firsts, latex, markdown, published, tables


def write_report(experiment: Experiment, store: Store, folder: Path, rule: str = "") -> list[Path]:
    """Write NAME.md, NAME.tex, NAME.html, NAME.parquet and NAME-….svg from what has finished so far.

    Args:
        rule: what is to be said of the rule (see `frozen.rule_of`).

    Raises:
        InvalidInput: nothing has.
    """
    lines = summarise(experiment, store)
    if not lines:
        raise InvalidInput(f"no cell of {experiment.name} has finished: run it with `proxyset-lab run` first")
    shown = by_share(experiment, lines) + tables(experiment, lines)
    shown += details_table(experiment, store)
    if experiment.axis is None and (first := firsts(lines)):
        shown.append(first)
    shown.append(assumptions(lines))
    if experiment.job:
        shown += savings(experiment, store)
    if quoted := published(experiment):
        shown.append(quoted)
    shown.append(_terms(experiment))
    drawn, origin = figures(experiment, lines), f"{stamp(store.folder.parent)} {rule}".strip()
    for data in experiment.data:  # pictures of an earlier run that this one has not
        for old in folder.glob(f"{experiment.name}-{data.name}-*.svg"):
            old.unlink()
    files = {
        f"{experiment.name}.md": _markdown(experiment, shown, list(drawn), origin),
        f"{experiment.name}.tex": "\n\n".join(latex(table) for table in shown) + "\n",
        f"{experiment.name}.html": _html(experiment, shown, drawn, origin),
        **{f"{experiment.name}-{name}.svg": svg for name, svg in drawn.items()},
    }
    for name, text in files.items():
        atomic.write_bytes(folder / name, text.encode())
    rows = [row(result) for group in experiment.groups() for result in store.read(group).values()]
    with atomic.replacing(folder / f"{experiment.name}.parquet") as path:
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path, compression="zstd")
    return [folder / name for name in (*files, f"{experiment.name}.parquet")]


def _facts(experiment: Experiment) -> str:
    seeds = len(experiment.seeds)
    return (
        f"{seeds} seed{'s' if seeds > 1 else ''}; δ = {experiment.delta:g}; unit one record, add/remove. A gain is the mean over "
        "private domains (sites) of the mean over seeds of paired differences, and its interval is over sites: seeds of one site "
        "are not independent. “Harm seen from”: the smallest loss against random that a test over as many sites would have seen "
        "with a chance of 80 %; “no harm” says no more than that. “Of the gap”: where a method stands between random (0 %) and a "
        "ceiling (100 %), with its 95 % interval by bootstrap over sites, and empty where that means nothing (fewer than five "
        "sites, no gap, or an interval wider than the gap). Two ceilings: all-id, the paper's, labels every public item of the "
        "client's kind; MAK sees the private data in the clear and has the same budget. “Own kind”: training items of the "
        "private domain. “Time”: processor time of selection and training on both sides, without encoding and clustering."
    )


def _terms(experiment: Experiment) -> Table:
    rows = tuple(
        (data.name, domain.name, domain.source, domain.licence)
        for data in experiment.data
        for domain in find(data.name).domains
    )
    return Table("The data and their terms", ("data set", "domain", "source", "licence"), rows)


def _markdown(experiment: Experiment, shown: list[Table], drawn: list[str], origin: str) -> str:
    parts = [f"# {experiment.title}", f"{origin} {_written(experiment)}"]
    parts += [part for part in (experiment.notes.strip(), _facts(experiment)) if part]
    parts += [f"![{name}]({experiment.name}-{name}.svg)" for name in drawn]
    parts += [markdown(table) for table in shown]
    return "\n\n".join(parts) + "\n"


def _written(experiment: Experiment) -> str:
    return f"Written by `proxyset-lab report lab/benchmarks/{experiment.name}.toml`; do not edit."


def _html(experiment: Experiment, shown: list[Table], drawn: dict[str, str], origin: str) -> str:
    css = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    body = [f"<h1>{escape(experiment.title)}</h1>"]
    body += [f"<p>{escape(text)}</p>" for text in (experiment.notes.strip(), _facts(experiment)) if text]
    if drawn:
        body.append(
            f'<div class="figures">{"".join(f"<figure>{svg}</figure>" for svg in drawn.values())}</div>'
        )
    body += [_table(table) for table in shown]
    body.append(f'<p class="small">{escape(f"{origin} {_written(experiment)}".replace("`", ""))}</p>')
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(experiment.title)}</title><style>{css}</style></head><body><main>{''.join(body)}</main></body></html>"
    )


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.text)
    caption = f"<b>{escape(table.title)}</b> {escape(table.remarks)}"
    label = escape(table.title)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
