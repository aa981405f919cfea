"""Lines as tables, in Markdown and LaTeX.

A gain goes into a table as it is, not as text: the table prints it with its interval over sites, and marks what stays significant
when all of the table's intervals are corrected together. So no table can hold an interval of another kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from proxyset.cloud.select import DEFAULT_STRATEGY, STRATEGIES
from proxyset.demo.statistics import POWER, Gain
from proxyset_lab.designed import titled
from proxyset_lab.experiment import Experiment
from proxyset_lab.intervals import Closed, holm
from proxyset_lab.methods import needs
from proxyset_lab.summary import Line
from proxyset_lab.training import training_of

MINUS = "−"
_FIRST = 3
STAYS = "*"
_CENTER, _RANDOM, _HARM = "over k-center", "over random (95 %)", "harm seen from"
_OF_ALL_ID, _OF_MAK = "of the gap to all-id", "of the gap to MAK"
Entry = str | Gain


@dataclass(frozen=True)
class Table:
    """Text and gains in rows and columns, ready for any format."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    note: str = ""

    @property
    def text(self) -> tuple[tuple[str, ...], ...]:
        """The rows as printed; STAYS behind a gain that Holm's correction over this table leaves significant."""
        ps = [entry.p for entry in self._gains() if entry.p is not None]
        stays = iter(holm(ps))

        def shown(entry: Entry) -> str:
            if isinstance(entry, str):
                return entry
            return points(entry) + (STAYS if entry.p is not None and next(stays) else "")

        return tuple(tuple(shown(entry) for entry in row) for row in self.rows)

    @property
    def remarks(self) -> str:
        """The note, and how intervals are meant where there are any."""
        gains = [gain for gain in self._gains() if gain.half_width is not None]
        if not gains:
            return self.note
        sites = sorted({gain.sites for gain in gains})
        over = f"{sites[0]} to {sites[-1]}" if len(sites) > 1 else f"{sites[0]}"
        harms = [100 * gain.harm for gain in gains if gain.harm is not None]
        told = (
            f"±: 95 %, Student's t over {over} sites. {STAYS}: significant after Holm's correction for this table's "
            f"{len(gains)} intervals. The smallest harm that {POWER:.0%} of such tests would have seen: "
            f"{min(harms):.1f} to {max(harms):.1f} points, by line."
        ).replace("80%", "80 %")
        return f"{self.note} {told}".strip()

    def _gains(self) -> list[Gain]:
        return [entry for row in self.rows for entry in row if isinstance(entry, Gain)]


_COLUMNS: tuple[tuple[str, Callable[[Line], Entry]], ...] = (
    ("pool's own kind", lambda line: own_kind(line.setting.pool)),
    ("budget", lambda line: f"{line.budget:,}"),
    ("method", lambda line: method_name(line.setting.method)),
    ("R", lambda line: "" if line.setting.clusters is None else str(line.setting.clusters)),
    ("ε", lambda line: _epsilon(line)),
    ("message", lambda line: _message(line)),
    (_RANDOM, lambda line: line.gain or ""),
    (_HARM, lambda line: harm(line.gain)),
    (_CENTER, lambda line: line.over_center or ""),
    ("mean", lambda line: f"{100 * line.accuracy.mean:.1f}"),
    ("sd over seeds", lambda line: f"{100 * line.accuracy.sd:.1f}"),
    (_OF_ALL_ID, lambda line: _closed(line.of_all_id)),
    (_OF_MAK, lambda line: _closed(line.of_mak)),
    ("own kind", lambda line: "" if line.own_share is None else f"{100 * line.own_share:.0f} %"),
)
_COSTS: tuple[tuple[str, Callable[[Line], Entry]], ...] = (
    ("bytes down", lambda line: f"{line.bytes_down:,.0f}"),
    ("bytes up", lambda line: f"{line.bytes_up:,.0f}"),
    ("client multiply-adds", lambda line: f"{line.multiply_adds:.1e}" if line.multiply_adds else "0"),
    ("rounds", lambda line: f"{line.rounds:.0f}"),
)
_SOMETIMES: dict[str, Callable[[Line], object]] = {
    _RANDOM: lambda line: line.gain,
    _HARM: lambda line: line.gain and line.gain.harm,
    _CENTER: lambda line: line.over_center,
    _OF_ALL_ID: lambda line: line.of_all_id,
    _OF_MAK: lambda line: line.of_mak,
}
_VARYING: dict[str, Callable[[Line], object]] = {
    "pool's own kind": lambda line: line.setting.pool,
    "R": lambda line: line.setting.clusters,
    "message": lambda line: (line.setting.dim, line.setting.dtype),
}


def tables(experiment: Experiment, lines: Sequence[Line]) -> list[Table]:
    """One table a data set and pool, and one more for sites that the rule was designed on; idle columns are left out."""
    out = []
    for data in experiment.data:
        for pools in experiment.pools_together:
            for designed in (False, True):
                wanted = [(data.name, pool, designed) for pool in pools]
                if here := [line for line in lines if line.setting[:3] in wanted]:
                    out.append(_table(experiment, here))
    return out


def _table(experiment: Experiment, here: Sequence[Line]) -> Table:
    columns = [(name, show) for name, show in (*_COLUMNS, *_costs(here)) if _tells(name, here)]
    title = caption(experiment, here[0])
    rows = tuple(tuple(show(line) for _, show in columns) for line in here)
    pairs = {line.pairs for line in here}
    missing = sum(line.expected - line.pairs for line in here)
    note = f"{'/'.join(map(str, sorted(pairs)))} pairs of private domain and seed a line."
    if (seconds := _seconds(here)) is not None:
        note += f" A run of {DEFAULT_STRATEGY} took {seconds:.2g} s of processor time on average."
    if missing:
        note += f" Unfinished: {missing} cells are missing."
    return Table(title, tuple(name for name, _ in columns), rows, note)


def _seconds(lines: Sequence[Line]) -> float | None:
    """Mean processor time of the default strategy's runs."""
    ours = [line.seconds for line in lines if line.setting.method == DEFAULT_STRATEGY]
    return sum(ours) / len(ours) if ours else None


def caption(experiment: Experiment, line: Line) -> str:
    """What a line's table and figure are about."""
    of = line.setting
    title = f"{titled(of.data_set, of.designed)}, {training_of(of.data_set).metric} in %"
    if len(experiment.pools_together) > 1:
        title += f", pool {of.pool.upper().replace('+', ' + ').replace('OOD', 'OoD')}"
    return title


def firsts(lines: Sequence[Line]) -> Table | None:
    """Which private method has the highest mean in each cell, and what it is ahead of the default rule; None without that rule.

    Ceilings do not count: oracles, what takes private data in the clear, and all items of the client's kind.
    """
    rows: list[tuple[Entry, ...]] = []
    cells: dict[tuple[object, ...], list[Line]] = {}
    for line in lines:
        cells.setdefault((line.setting[:3], line.budget), []).append(line)
    for here in cells.values():
        ours = next((line for line in here if line.setting.method == DEFAULT_STRATEGY), None)
        rivals = [line for line in here if line.private and line.setting.method != "all-id"]
        if ours is None:
            continue
        for rank, line in enumerate(sorted(rivals, key=lambda line: -line.accuracy.mean)[:_FIRST], 1):
            of = line.setting
            name = titled(of.data_set, of.designed) + (f", {of.pool}" if of.pool != "id+ood" else "")
            ahead: Entry = line.over_default or ""
            rows.append(
                (
                    name,
                    f"{line.budget:,}",
                    str(rank),
                    method_name(of.method),
                    ahead,
                    f"{100 * line.accuracy.mean:.1f}",
                )
            )
    columns = ("data", "budget", "place", "method", f"over {DEFAULT_STRATEGY} (95 %)", "mean")
    note = "What a method needs of the client, and how many labels, differs: see what each assumes."
    return (
        Table(f"The first {_FIRST} methods of each cell, by their mean", columns, tuple(rows), note)
        if rows
        else None
    )


def own_kind(pool: str) -> str:
    """A share as tables print it: "2.4 %"."""
    return pool.replace("%", " %")


def by_share(experiment: Experiment, lines: Sequence[Line]) -> list[Table]:
    """What the default is worth over random by how much of the pool is of the client's kind, all data sets side by side."""
    if experiment.axis != "own-share":
        return []
    ours = [line for line in lines if line.setting.method == DEFAULT_STRATEGY and line.gain]
    sets = tuple(dict.fromkeys((line.setting.data_set, line.setting.designed, line.budget) for line in ours))
    found = {
        (line.setting.pool, line.setting.data_set, line.setting.designed, line.budget): line for line in ours
    }
    rows = tuple(
        (own_kind(pool), *(line.gain or "" if (line := found.get((pool, *of))) else "" for of in sets))
        for pool in experiment.pools
    )
    heads = (f"{titled(name, designed)}, {budget:,} items" for name, designed, budget in sets)
    title = "What the default is worth over random, by the pool's share of the client's kind"
    return [Table(title, ("pool's own kind", *heads), rows, "Pools of all shares are equally large.")]


def assumptions(lines: Sequence[Line]) -> Table:
    """What each method needs of whom: labels, trust, messages."""
    of: dict[str, list[Line]] = {}
    for line in lines:
        of.setdefault(line.setting.method, []).append(line)
    rows = []
    for method, here in of.items():
        need, weights = needs(method), [line.bytes_down + line.bytes_up for line in here]
        least, most = (f"{weight:,.0f}" for weight in (min(weights), max(weights)))
        rows.append(
            (
                method_name(method), need.labels, need.sees, need.leaves, f"{here[0].rounds:.0f}",
                least if least == most else f"{least} to {most}", need.assumes,
            )
        )  # fmt: skip
    columns = (
        "method", "labels: how many, whose", "private items in the clear: with", "what leaves the client", "rounds",
        "bytes, both ways", "what else",
    )  # fmt: skip
    return Table(
        "What the methods assume", columns, tuple(rows), "Bytes: means, over the data sets and budgets above."
    )


def published(experiment: Experiment) -> Table | None:
    """The paper's own numbers, and its rule's gains; None when the experiment quotes none."""
    if not experiment.paper:
        return None
    methods = tuple(dict.fromkeys(m for row in experiment.paper.values() for m in row))
    gains = "ecos" in methods and "random" in methods
    rows = tuple(
        (
            label,
            *(f"{row[m]:.1f}" if m in row else "" for m in methods),
            *([signed(row["ecos"] - row["random"])] if gains else []),
        )
        for label, row in experiment.paper.items()
    )
    columns = ("", *methods, *(["ecos over random"] if gains else []))
    return Table("Published (other data, so to be read beside ours, not against them)", columns, rows)


def markdown(table: Table) -> str:
    lines = [
        f"**{table.title}**",
        "",
        "| " + " | ".join(table.columns) + " |",
        "|" + "---|" * len(table.columns),
        *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table.text),
    ]
    return "\n".join([*lines, *(["", table.remarks] if table.remarks else [])])


def latex(table: Table) -> str:
    """A table environment with booktabs' rules."""
    text = ["\\begin{table}", f"\\caption{{{_tex(table.title)}. {_tex(table.remarks)}}}"]
    text += [f"\\begin{{tabular}}{{{'l' * len(table.columns)}}}", "\\toprule"]
    text += [" & ".join(map(_tex, table.columns)) + " \\\\", "\\midrule"]
    text += [" & ".join(map(_tex, row)) + " \\\\" for row in table.text]
    return "\n".join([*text, "\\bottomrule", "\\end{tabular}", "\\end{table}"])


def signed(value: float, digits: int = 1) -> str:
    """+9.5 or −0.3, with a true minus; zero has no sign."""
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return f"{MINUS if value < 0 else '+'}{text}"


def method_name(method: str) -> str:
    """A method as tables print it: a class by its strategy's name, and what is not private says so."""
    need = needs(method)
    if ":" in need.name:
        method = method.replace(need.name, STRATEGIES.load(need.name).name)
    return f"{method} (NOT PRIVATE)" if need.clear else method


def _tells(column: str, lines: Sequence[Line]) -> bool:
    """Whether a column says anything: something varies in it, or there is something to compare with."""
    if column in _SOMETIMES:
        return any(_SOMETIMES[column](line) is not None for line in lines)
    if column not in _VARYING:
        return True
    return len({_VARYING[column](line) for line in lines} - {None, (None, None)}) > 1


def points(gain: Gain) -> str:
    """+3.1 ± 1.6, in points."""
    half = "" if gain.half_width is None else f" ± {100 * gain.half_width:.1f}"
    return signed(100 * gain.mean) + half


def harm(gain: Gain | None) -> str:
    """The smallest harm that would have been seen, in points."""
    return "" if gain is None or gain.harm is None else signed(-100 * gain.harm)


def _closed(share: Closed | None) -> str:
    if share is None:
        return ""
    return f"{signed(100 * share.share, 0)} % ({signed(100 * share.low, 0)} to {signed(100 * share.high, 0)})"


def _epsilon(line: Line) -> str:
    if not line.private:
        return "∞"
    return "" if line.setting.epsilon is None else f"{line.setting.epsilon:g}"


def _message(line: Line) -> str:
    if line.setting.dtype is None:
        return ""
    return f"{line.setting.dim or 'all'} × {line.setting.dtype}"


def _costs(lines: Sequence[Line]) -> tuple[tuple[str, Callable[[Line], Entry]], ...]:
    """Messages and arithmetic, where any line has them; processor time, where the default strategy is there to compare."""
    columns = _COSTS if any(line.bytes_down or line.bytes_up or line.multiply_adds for line in lines) else ()
    ours = {line.budget: line.seconds for line in lines if line.setting.method == DEFAULT_STRATEGY}
    if not all(ours.get(line.budget) for line in lines):
        return columns

    def time(line: Line) -> str:
        return f"{line.seconds / ours[line.budget]:.2g}×"

    return (*columns, (f"time / {DEFAULT_STRATEGY}", time))


def _tex(text: str) -> str:
    special = {
        "%": r"\%",
        "&": r"\&",
        "_": r"\_",
        "#": r"\#",
        "ε": r"$\varepsilon$",
        "∞": r"$\infty$",
        "±": r"$\pm$",
        MINUS: "$-$",
        "×": r"$\times$",
    }
    return "".join(special.get(character, character) for character in text)
