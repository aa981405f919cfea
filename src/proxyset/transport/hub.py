"""Folders of the Hugging Face hub, fetched by its own library: what `hf:FOLDER` reads, and nothing else of a repository."""

from __future__ import annotations

import shutil
from pathlib import Path

from proxyset import atomic
from proxyset.errors import MissingExtra, TransportError

_CONFIGURATION = ("*.json", "1_Pooling/*.json", "README.md", "LICENSE*")


def fetch_encoder(
    name: str, out: Path, network: str = "onnx/model.onnx", revision: str | None = None
) -> None:
    """Fetch an encoder into a new folder.

    Args:
        name: of the hub: "sentence-transformers/all-MiniLM-L6-v2".
        network: the ONNX file of it that is wanted.
        revision: a commit or a tag; None is the newest.

    Raises:
        TransportError: the hub cannot be reached, or has no such model, or it has no such file.
        FileExistsError: the folder is there. MissingExtra: huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ImportError:
        raise MissingExtra("huggingface_hub", "text", "fetching from the hub") from None
    with atomic.new_folder(out) as folder:
        try:
            snapshot_download(
                name, revision=revision, allow_patterns=[*_CONFIGURATION, network], local_dir=folder
            )
        except (OSError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
            reason = " ".join(str(error).split())[:300]
            raise TransportError(f"the hub does not give {name!r}: {reason}") from None
        shutil.rmtree(folder / ".cache", ignore_errors=True)  # the library's notes on what it fetched
        if not (folder / network).is_file():
            raise TransportError(
                f"{name!r} has no file {network}: look at its page which ONNX files it has, and name one, or "
                "export the model yourself with optimum"
            )
