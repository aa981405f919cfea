"""The cloud's end of giving a model back: one signed file, verified when it comes in and handed out as it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from proxyset.errors import ArtifactError, MissingExtra
from proxyset.transport.http import MODEL_PATH
from proxyset.wire.model import Model

if TYPE_CHECKING:
    from fastapi import FastAPI


def check_model(file: BinaryIO) -> Model:
    """Verify a model that came in, as every client verifies it that fetches it, before any client can.

    Args:
        file: open at its beginning, and there again afterwards.

    Raises:
        ArtifactError: it is no signed model, is damaged, or holds what clients refuse; the message says which and is for
            whoever sent it.
    """
    try:
        model = Model.read(file)
    except ArtifactError as error:
        raise ArtifactError(
            f"{error}; clients fetch signed models only: proxyset model sign FOLDER --key KEY"
        ) from None
    file.seek(0)
    return model


def add_model_route(app: FastAPI, file: Path) -> Model:
    """Let a server hand out a signed model (`proxyset model sign`) at MODEL_PATH, and return it.

    It is read and verified now and kept in memory: a file that changes later is not handed out half-written.

    Raises:
        ArtifactError: the file is not a valid signed model. TransportError: it cannot be read.
        MissingExtra: fastapi is not installed.
    """
    try:
        from fastapi import Response
    except ImportError:
        raise MissingExtra("fastapi", "server", "The server's routes") from None

    model = Model.open(file)
    data, headers = model.to_bytes(), {"etag": f'"{model.card.sha256}"'}

    def get_model() -> Response:
        return Response(data, media_type="application/octet-stream", headers=headers)

    get_model.__annotations__ = {"return": Response}
    app.get(MODEL_PATH, response_class=Response)(get_model)
    return model
