"""The cloud's end of giving a model back: one signed file, handed out as it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from proxyset.errors import MissingExtra
from proxyset.wire.http import MODEL_PATH
from proxyset.wire.model import Model

if TYPE_CHECKING:
    from fastapi import FastAPI


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
