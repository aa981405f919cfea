"""Lines as tables, in Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from proxyset.cloud.select import DEFAULT_STRATEGY, STRATEGIES
from proxyset.demo.statistics import Gain
from proxyset_lab.experiment import Experiment
from proxyset_lab.methods import needs
from proxyset_lab.summary import Line
from proxyset_lab.training import training_of

MINUS = "−"
_CENTER = "over k-center"


@dataclass(frozen=True)
class Table:
    """Text in rows and columns, ready for any format."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


_COLUMNS: tuple[tuple[str, Callable[[Line], str]], ...] = (
    ("budget", lambda line: f"{line.budget:,}"),
    ("method", lambda line: method_name(line.setting.method)),
    ("R", lambda line: "" if line.setting.clusters is None else str(line.setting.clusters)),
    ("ε", lambda line: _epsilon(line)),
    ("message", lambda line: _message(line)),
    ("mean", lambda line: f"{100 * line.accuracy.mean:.1f}"),
    ("sd", lambda line: f"{100 * line.accuracy.sd:.1f}"),
    ("over random (95 %)", lambda line: _gain(line.gain)),
    (_CENTER, lambda line: _gain(line.over_center)),
    ("gap closed", lambda line: "" if line.closed is None else signed(100 * line.closed, 0) + " %"),
    ("own kind", lambda line: "" if line.own_share is None else f"{100 * line.own_share:.0f} %"),
)
_COSTS: tuple[tuple[str, Callable[[Line], str]], ...] = (
    ("bytes down", lambda line: f"{line.bytes_down:,.0f}"),
    ("bytes up", lambda line: f"{line.bytes_up:,.0f}"),
    ("client multiply-adds", lambda line: f"{line.multiply_adds:.1e}" if line.multiply_adds else "0"),
    ("rounds", lambda line: f"{line.rounds:.0f}"),
)
_VARYING: dict[str, Callable[[Line], object]] = {
    "R": lambda line: line.setting.clusters,
    "message": lambda line: (line.setting.dim, line.setting.dtype),
}


def tables(experiment: Experiment, lines: Sequence[Line]) -> list[Table]:
    """One table a data set and pool; columns that never change are left out."""
    out = []
    for data in experiment.data:
        for pool in experiment.pools:
            here = [line for line in lines if (line.setting.data_set, line.setting.pool) == (data.name, pool)]
            if not here:
                continue
            columns = [(name, show) for name, show in (*_COLUMNS, *_costs(here)) if _tells(name, here)]
            title = f"{data.name}, {training_of(data.name).metric} in %" + (
                f", pool {pool.upper().replace('+', ' + ').replace('OOD', 'OoD')}"
                if len(experiment.pools) > 1
                else ""
            )
            rows = tuple(tuple(show(line) for _, show in columns) for line in here)
            pairs = {line.pairs for line in here}
            missing = sum(line.expected - line.pairs for line in here)
            note = f"{'/'.join(map(str, sorted(pairs)))} pairs of private domain and seed a line."
            if missing:
                note += f" Unfinished: {missing} cells are missing."
            out.append(Table(title, tuple(name for name, _ in columns), rows, note))
    return out


def assumptions(lines: Sequence[Line]) -> Table | None:
    """What each method takes for granted; None when none takes anything."""
    methods = dict.fromkeys(line.setting.method for line in lines)
    rows = tuple((method_name(m), needs(m).assumes) for m in methods if needs(m).assumes)
    return Table("What the methods assume", ("method", "assumes"), rows) if rows else None


def published(experiment: Experiment) -> Table | None:
    """The paper's own numbers; None when the experiment quotes none."""
    if not experiment.paper:
        return None
    methods = tuple(dict.fromkeys(m for row in experiment.paper.values() for m in row))
    rows = tuple(
        (label, *(f"{row[m]:.1f}" if m in row else "" for m in methods))
        for label, row in experiment.paper.items()
    )
    return Table("Published (other data, so to be read beside ours, not against them)", ("", *methods), rows)


def markdown(table: Table) -> str:
    lines = [
        f"**{table.title}**",
        "",
        "| " + " | ".join(table.columns) + " |",
        "|" + "---|" * len(table.columns),
        *("| " + " | ".join(row) + " |" for row in table.rows),
    ]
    return "\n".join([*lines, *(["", table.note] if table.note else [])])


def latex(table: Table) -> str:
    """A table environment with booktabs' rules."""
    text = ["\\begin{table}", f"\\caption{{{_tex(table.title)}. {_tex(table.note)}}}"]
    text += [f"\\begin{{tabular}}{{{'l' * len(table.columns)}}}", "\\toprule"]
    text += [" & ".join(map(_tex, table.columns)) + " \\\\", "\\midrule"]
    text += [" & ".join(map(_tex, row)) + " \\\\" for row in table.rows]
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
    """Whether a column says anything: something varies in it, or there is a k-center to compare with."""
    if column == _CENTER:
        return any(line.over_center is not None for line in lines)
    if column not in _VARYING:
        return True
    return len({_VARYING[column](line) for line in lines} - {None, (None, None)}) > 1


def _gain(gain: Gain | None) -> str:
    if gain is None:
        return ""
    half = "" if gain.half_width is None else f" ± {100 * gain.half_width:.1f}"
    return signed(100 * gain.mean) + half


def _epsilon(line: Line) -> str:
    if not line.private:
        return "∞"
    return "" if line.setting.epsilon is None else f"{line.setting.epsilon:g}"


def _message(line: Line) -> str:
    if line.setting.dtype is None:
        return ""
    return f"{line.setting.dim or 'all'} × {line.setting.dtype}"


def _costs(lines: Sequence[Line]) -> tuple[tuple[str, Callable[[Line], str]], ...]:
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
