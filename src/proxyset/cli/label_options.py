"""Options about labels that the owner's commands share: where they are, and how records vote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from proxyset.client.labels import read_labels
from proxyset.client.private_data import FOLDER, Labels
from proxyset.errors import InvalidInput
from proxyset.wire.questions import Rule

RuleOption = Annotated[
    Rule,
    typer.Option(
        "--voting", help="Each record votes on its own nearest questions, or the paper's Private-kNN."
    ),
]
Neighbours = Annotated[
    int | None,
    typer.Option(
        help="Votes of a record; k of private-knn. It goes out with the labels.", show_default=False
    ),
]
Screening = Annotated[
    float, typer.Option(help="Share of the budget for private-knn's noisy screening; 0 for none.")
]
Lead = Annotated[float, typer.Option(help="Abstain unless the winner leads by this many σ.")]
LabelsFile = Annotated[
    Path | None, typer.Option(help="CSV of the labels, with columns id and label.", show_default=False)
]
LabelColumn = Annotated[
    str | None, typer.Option(help="Column of the data that holds the label.", show_default=False)
]
FolderNames = Annotated[
    bool, typer.Option("--folder-names", help="The label is the name of the folder a record lies in.")
]


def labels_of(file: Path | None, column: str | None, folders: bool) -> Labels | None:
    """Where the labels are; None when nothing was said.

    Raises:
        InvalidInput: it was said more than once, or the column has an impossible name.
    """
    if (file is not None) + (column is not None) + folders > 1:
        raise InvalidInput(
            "say once where the labels are: --labels FILE, --label-column NAME or --folder-names"
        )
    if file is not None:
        return read_labels(file)
    if column == FOLDER:
        raise InvalidInput(f"a column cannot be named {FOLDER!r} here: --folder-names means the folders")
    return FOLDER if folders else column
