"""Models that operators upload are verified as their clients will verify them."""

from __future__ import annotations

import io
import tempfile

import numpy as np
import pytest
from onnx import helper

from proxyset.errors import ArtifactError
from proxyset.fingerprint import canonical_json
from proxyset.server.model import check_model
from proxyset.wire.model import Model
from proxyset.wire.signing import sign
from tests.wire.models import KEY, PUBLIC, card_of, linear, model, picture_model


@pytest.mark.parametrize("made", [model(), picture_model()])
def test_a_signed_model_is_read_and_the_file_rewound(made):
    with tempfile.TemporaryFile() as file:
        file.write(made.to_bytes())
        file.seek(0)
        assert check_model(file) == made
        assert file.read() == made.to_bytes()
    assert made.key == PUBLIC


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a model"),
        (b"model", "not a model"),
        (linear(np.eye(3, 2)), "not a model"),
        (model().to_bytes()[:-1], "cut off"),
        (model().to_bytes() + b"\0", "added to"),
        (model().to_bytes()[:-1] + b"\0", "changed after"),
        ((1 << 62).to_bytes(8, "little") + b"{}", "not a model"),
        ((9).to_bytes(8, "little") + b"{}", "cut off"),
    ],
)
def test_what_no_client_would_take(data, words):
    with pytest.raises(ArtifactError, match=words) as refused:
        check_model(io.BytesIO(data))
    assert "proxyset model sign" in str(refused.value)


def test_a_model_that_is_well_signed_and_runs_what_clients_refuse():
    foreign = [helper.make_node("Run", ["x", "W"], ["y"], domain="evil")]
    onnx = linear(np.eye(3, 2), foreign, opsets=[helper.make_opsetid("evil", 1)])
    card = card_of(onnx)
    signature = sign(KEY, b"proxyset model\n" + canonical_json(card.model_dump(mode="json")))
    with pytest.raises(ArtifactError, match="not accepted"):
        check_model(io.BytesIO(Model(card, onnx, PUBLIC, signature).to_bytes()))


def test_no_more_is_read_than_the_card_says():
    """A file of 3 GiB, sparse, that begins as a good model: one byte too many is enough to refuse it."""
    data = model().to_bytes()
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.truncate(3 << 30)
        file.seek(0)
        with pytest.raises(ArtifactError, match="added to"):
            check_model(file)
        assert file.tell() == len(data) + 1
