import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyset.encoders.encoder import EncoderSpec
from proxyset.errors import ArtifactError, InvalidInput
from proxyset.nearest import nearest_centroid
from proxyset.wire.probe import Probe

INDEX = "ab" * 32


def build(C, dtype="float16", d=None, **options):
    spec = EncoderSpec(name="embeddings", dim=d or C.shape[1])
    return Probe.build(np.asarray(C, np.float32), spec, INDEX, dtype=dtype, **options)


@pytest.mark.parametrize(("unit", "offset"), [(1.0, 0.0), (1e-9, 0.0), (1e9, 0.0), (1.0, 1e4)])
@pytest.mark.parametrize(("dtype", "share"), [("float32", 1.0), ("float16", 0.999), ("int8", 0.97)])
def test_labels_survive_the_round_trip(dtype, share, unit, offset):
    rng = np.random.default_rng(0)
    C = ((rng.normal(size=(256, 64)) + offset) * unit).astype(np.float32)
    X = ((rng.normal(size=(4000, 64)) + offset) * unit).astype(np.float32)
    probe = Probe.from_bytes(build(C, dtype).to_bytes())
    assert (nearest_centroid(X, probe.centroids) == nearest_centroid(X, C)).mean() >= share


def test_sizes():
    C = np.random.default_rng(0).normal(size=(256, 64))
    sizes = {dtype: len(build(C, dtype).data) for dtype in ("float32", "float16", "int8")}
    assert sizes["float32"] < 65_536 + 1200
    assert sizes["float16"] < 32_768 + 1800
    assert sizes["int8"] < 16_384 + 1800


def test_equal_content_gives_equal_bytes_and_fields_survive():
    rng = np.random.default_rng(1)
    C, P, mean = (
        rng.normal(size=(5, 3)),
        rng.normal(size=(9, 3)).astype(np.float32),
        np.arange(9, dtype=np.float32),
    )
    one = build(C, "int8", d=9, projection=P, mean=mean, purpose="ünï")
    two = Probe.from_bytes(one.to_bytes())
    assert one.data == two.data == build(C, "int8", d=9, projection=P, mean=mean, purpose="ünï").data
    assert (two.index, two.purpose, two.dtype, two.clusters) == (INDEX, "ünï", "int8", 5)
    np.testing.assert_array_equal(one.centroids, two.centroids)
    X = rng.normal(size=(4, 9)).astype(np.float32)
    np.testing.assert_allclose(two.project(X), X @ two.projection, rtol=1e-5)
    unmoved = Probe.from_bytes(build(C, "int8", d=9, projection=P).data)
    np.testing.assert_allclose(two.centroids, unmoved.centroids + mean @ two.projection, rtol=1e-5)


def test_unknown_dtype():
    with pytest.raises(InvalidInput, match="int4"):
        build(np.ones((2, 2)), "int4")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_centroids_that_are_not_finite_are_refused(value):
    C = np.ones((3, 2))
    C[1, 1] = value
    with pytest.raises(InvalidInput, match="NaN, infinity"):
        build(C, "float32")


def test_centroids_of_another_dimension_than_the_encoder_are_refused():
    with pytest.raises(ArtifactError, match="no projection"):
        build(np.ones((3, 2)), d=7)


DATA = build(np.random.default_rng(2).normal(size=(7, 4))).data


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 100, len(DATA) // 2, len(DATA) - 1])
def test_truncated(length):
    with pytest.raises(ArtifactError, match="probe"):
        Probe.from_bytes(DATA[:length])


def test_bytes_after_the_end_are_refused():
    with pytest.raises(ArtifactError):
        Probe.from_bytes(DATA + b"\0")


@settings(deadline=None)
@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_any_changed_byte_is_noticed_or_changes_nothing(position, flip):
    changed = bytearray(DATA)
    changed[position] ^= flip
    try:
        probe = Probe.from_bytes(bytes(changed))
    except ArtifactError:
        return
    np.testing.assert_array_equal(
        probe.centroids, Probe.from_bytes(DATA).centroids
    )  # white space of the header


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_crash_the_decoder(data):
    with pytest.raises(ArtifactError):
        Probe.from_bytes(data)


def test_another_schema_version_names_both():
    with pytest.raises(ArtifactError, match=r"schema 'proxyset\.probe/9'.*reads 'proxyset\.probe/2'"):
        Probe.from_bytes(DATA.replace(b"proxyset.probe/2", b"proxyset.probe/9"))
