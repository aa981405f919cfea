"""The cloud's end of giving a model back, or an encoder out: one signed file, verified when it comes in and handed out as it is."""

from __future__ import annotations

from typing import BinaryIO

from fastapi import FastAPI, Response

from proxyset.encoders.encoder import EncoderSpec
from proxyset.errors import ArtifactError, InvalidInput
from proxyset.transport.http import ENCODER_PATH, MODEL_PATH
from proxyset.wire.encoder_package import PACKAGE_LIMIT, EncoderPackage
from proxyset.wire.files import Readable, read_message
from proxyset.wire.model import Model


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


def add_model_route(app: FastAPI, file: Readable) -> Model:
    """Let a server hand out a signed model (`proxyset model sign`) at MODEL_PATH, and return it.

    It is read and verified now and kept in memory: a file that changes later is not handed out half-written.

    Raises:
        ArtifactError: the file is not a valid signed model. TransportError: it cannot be read.
    """
    model = Model.open(file)
    _hand_out(app, MODEL_PATH, model.to_bytes(), model.card.sha256)
    return model


def add_encoder_route(app: FastAPI, file: Readable, asked: EncoderSpec) -> EncoderPackage:
    """Let a server hand out a signed encoder (`proxyset encoder pack`) at ENCODER_PATH, and return it; as a model.

    Args:
        asked: the encoder of the probe.

    Raises:
        InvalidInput: it is another one. ArtifactError, TransportError: as `add_model_route`.
    """
    package = EncoderPackage.from_bytes(read_message(file, "encoder", PACKAGE_LIMIT))
    offered = package.card.encoder.fingerprint
    if offered != asked.fingerprint:
        raise InvalidInput(
            f"the probe was made with the encoder {asked.fingerprint}, {file} holds {offered}: pack the one of this index"
        )
    _hand_out(app, ENCODER_PATH, package.to_bytes(), offered)
    return package


def _hand_out(app: FastAPI, path: str, data: bytes, tag: str) -> None:
    @app.get(path, response_class=Response)
    def get() -> Response:
        return Response(data, media_type="application/octet-stream", headers={"etag": f'"{tag}"'})
