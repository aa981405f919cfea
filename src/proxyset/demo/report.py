"""The demo's report: one HTML file that needs nothing else."""

from __future__ import annotations

import math
import platform
import re
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from proxyset.demo.charts import accuracy_chart, signed, symbol
from proxyset.demo.dataset import DataSet
from proxyset.demo.results import ALL_OWN, METHODS, WHOLE_POOL, Item, Results, Run
from proxyset.page.document import data_uri
from proxyset.page.environment import environment

TITLES = {
    "density-ratio": "density-ratio (ours)",
    "ecos": "ECOS (paper)",
    "random": "random",
    "k-center": "k-center",
    ALL_OWN: "all of the client’s kind",
    WHOLE_POOL: "the whole pool",
}

LEDGER_COLUMNS = (
    "seq",
    "time",
    "kind",
    "epsilon",
    "delta",
    "rho",
    "sigma",
    "unit",
    "adjacency",
    "prev",
    "hash",
)


def render(results: Results, data_set: DataSet) -> str:
    """The report as HTML: no script, nothing loaded from elsewhere, pictures and charts inside.

    It shows public images and what the client released. `Results` has no place for a true count.
    """
    templates = environment("proxyset.demo")
    templates.filters.update(
        percent=lambda share: f"{100 * share:.1f}",
        points=lambda share: signed(100 * share),
        minus=lambda number: str(number).replace("-", "−"),
        tiny=lambda number: f"{number:.0e}".replace("e-0", "e-").replace("-", "−"),
        short=_short,
        uri=data_uri,
    )
    best = max(results.budgets)
    first = [results.of(domain)[0] for domain in results.domains]
    values: dict[str, Any] = {
        "colours": Markup((files("proxyset.page") / "static/colours.css").read_text(encoding="utf-8")),
        "results": results,
        "data_set": data_set,
        "methods": METHODS,
        "references": (ALL_OWN, WHOLE_POOL),
        "titles": TITLES,
        "budget": best,
        "gains": {budget: results.gain(budget) for budget in results.budgets},
        "samples": _samples(results, data_set),
        "first_runs": first,
        "ledger_columns": [
            name for name in LEDGER_COLUMNS if any(name in e for e in first[0].exchange.ledger)
        ],
        "shown": _typical(first, best),
        "exchange": first[0].exchange,
        "factor": math.exp(first[0].exchange.epsilon),
        "charts": {budget: Markup(accuracy_chart(results, budget)) for budget in results.budgets},
        "symbols": {name: Markup(symbol(name)) for name in (*METHODS, ALL_OWN, WHOLE_POOL)},
        "marks": {domain.name: f"d{number % 8}" for number, domain in enumerate(data_set.domains)},
        "versions": {
            name: version(name) for name in ("proxyset", "opendp", "numpy", "scikit-learn", "pillow")
        },
        "python": platform.python_version(),
    }
    return templates.get_template("report.html.j2").render(values)


def _typical(runs: list[Run], budget: int) -> Run:
    """The run whose gain over random lies in the middle: what the report opens first."""
    by_gain = sorted(
        runs, key=lambda run: run.score("ecos", budget).accuracy - run.score("random", budget).accuracy
    )
    return by_gain[len(by_gain) // 2]


def _samples(results: Results, data_set: DataSet) -> dict[str, list[Item]]:
    """Up to ten public images of each domain, of different classes where there are."""
    chosen: dict[str, dict[str, Item]] = {domain.name: {} for domain in data_set.domains}
    for run in results.runs:
        for images in [gallery.images for gallery in run.galleries] + [
            cluster.images for cluster in run.covered
        ]:
            for item in images:
                chosen[item.domain].setdefault(item.label, item)
    return {name: [items[label] for label in sorted(items)][:10] for name, items in chosen.items()}


def _short(value: object) -> str:
    """A ledger's value in few characters: hashes lose their tail, times their fractions."""
    if isinstance(value, float):
        return f"{value:.4g}"
    text = re.sub(r"(T\d\d:\d\d:\d\d)\.\d+", r"\1", str(value)).replace("+00:00", "Z")
    return f"{text[:8]}…" if re.fullmatch(r"[0-9a-f]{64}", text) else text
