"""Options that several of the owner's commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from proxyset.sources.remote import is_url


def here(given: str) -> Path:
    """A file or folder of this machine, for what reads or writes nothing else: keys, ledgers, labels, private data.

    Raises:
        BadParameter: a URL. As a path it would name a folder "s3:" below the working folder.
    """
    if is_url(given):
        raise typer.BadParameter(f"{given} is a URL; this takes a file or folder of this machine")
    return Path(given)


Unit = Literal["record", "person"]
Adjacency = Literal["add-remove", "replace-one"]
Data = Annotated[str, typer.Option(help="The private data: any kind that a pool may be.")]
Epsilon = Annotated[float, typer.Option(help="Privacy loss of this answer, 0.001 to 100.")]
Delta = Annotated[float, typer.Option(help="Probability that the loss is larger.")]
LedgerFile = Annotated[Path | None, typer.Option(help="The ledger; your own by default.", show_default=False)]
LedgerArgument = Annotated[
    Path | None, typer.Argument(help="The ledger; your own by default.", show_default=False)
]
UnitOption = Annotated[Unit, typer.Option(help="What is protected.")]
MaxRecords = Annotated[
    int,
    typer.Option(
        help="m: one person's votes count up to a length of √m records; of labels and two-party sums, m records."
    ),
]
Person = Annotated[
    str | None,
    typer.Option(
        help='Column that names the person, "folder", or "me": all are one person\'s.', show_default=False
    ),
]
AdjacencyOption = Annotated[Adjacency, typer.Option(help="Which data sets are neighbours.")]
EncoderOption = Annotated[
    str | None,
    typer.Option(help='Your copy of the encoder: "onnx:FOLDER" or "hf:FOLDER".', show_default=False),
]
DatasetName = Annotated[
    str | None, typer.Option(help="Name of the data in the ledger; their path.", show_default=False)
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Draw and debit anew, though an answer with these settings is stored.")
]
Approve = Annotated[bool, typer.Option("--approve", help="I looked at this probe and agree.")]
NewIndex = Annotated[
    bool, typer.Option("--new-index", help="I agree that this server asks about another index than before.")
]
PublicInputs = Annotated[
    bool,
    typer.Option(
        "--public-inputs",
        help="I state that what says nothing of itself (plain images, labels by hand, models from elsewhere) saw public data "
        "alone.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON line instead of words.")]
ProxyFolder = Annotated[str, typer.Argument(help="Folder of the proxy set, or its URL.")]
IndexFolder = Annotated[str, typer.Argument(help="Folder of the index, or its URL.")]
StateFolder = Annotated[
    str,
    typer.Option(
        "--state", help="The server's state: a folder, or postgresql://USER@HOST/DATABASE?files=FOLDER."
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Seed = Annotated[int, typer.Option(help="Of weights, batches and augmentation.", min=0)]
Unlabeled = Annotated[
    str | None, typer.Option(help="Images for FixMatch: the pool, or a wider proxy set.", show_default=False)
]
Weighted = Annotated[
    bool,
    typer.Option(
        "--weighted",
        help="Each item counts by the density ratio it was chosen by: for a set that is the whole pool.",
    ),
]
SignerKey = Annotated[
    str | None, typer.Option("--key", help="The public key that must have signed it.", show_default=False)
]
Origin = Annotated[
    str, typer.Argument(metavar="URL|FILE", help="The cloud's server, or a file that was carried here.")
]
Maker = Annotated[
    str | None, typer.Option("--server", help="Your name for its maker; the URL.", show_default=False)
]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
TlsCert = Annotated[Path | None, typer.Option(help="PEM file of the certificate chain.", show_default=False)]
TlsKey = Annotated[Path | None, typer.Option(help="PEM file of its key.", show_default=False)]
Asker = Annotated[str, typer.Option("--server", help="Who asks; caps can be set for each.")]
Records = Annotated[
    int | None, typer.Option(help="About how many records, for predictions.", min=1, show_default=False)
]
Timeout = Annotated[
    float, typer.Option(help="Seconds for a request; one more for each 16 KiB of it.", min=0.1)
]
HOLD_HELP = "Seconds from the probe to its answer, more than reading the data takes; else whole multiples."
