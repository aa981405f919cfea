from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyset.client.calibration import privacy_statement
from proxyset.errors import ArtifactError
from proxyset.fingerprint import fingerprint
from proxyset.wire.container import pack
from proxyset.wire.probe import Probe
from proxyset.wire.release import RELEASE_LIMIT, PrivacyStatement, Release, _Header, check_statement

PRIVACY = PrivacyStatement(
    unit="record",
    adjacency="add-remove",
    max_records=1,
    sigma=6.15,
    l2_sensitivity=1.0,
    rho=1 / (2 * 6.15**2),
    epsilon=0.58,
    delta=1e-5,
)
RELEASE = Release(np.array([3, -2, 2**40], np.int64), "ab" * 32, "cd" * 32, PRIVACY)
DATA = RELEASE.to_bytes()


def test_round_trip():
    again = Release.from_bytes(DATA)
    np.testing.assert_array_equal(again.counts, RELEASE.counts)
    assert (again.probe, again.index, again.privacy) == (RELEASE.probe, RELEASE.index, PRIVACY)
    assert again.fingerprint == RELEASE.fingerprint


def test_releases_of_before_there_were_grids_are_the_same_bytes():
    """Of records and of persons: their fingerprints, and so their receipts, stand."""
    assert fingerprint(DATA) == "5c2f34a64e6395909dc109f426a3a33cc8569511a242af87850009afe7e18b86"
    person = privacy_statement(0.58, 1e-5, "person", "replace-one", 10, whole_records=True)
    old = Release(np.arange(3), "ab" * 32, "cd" * 32, person)
    assert fingerprint(old.to_bytes()) == "f46f9e3dec90ddecf371dd76964765549f3d6b4f1e4d59cf40354669e567d0c8"
    again = Release.from_bytes(old.to_bytes())
    assert (again.privacy, again.noise) == (person, person.sigma)
    np.testing.assert_array_equal(again.records, [0, 1, 2])


def test_persons_on_a_grid():
    privacy = privacy_statement(0.58, unit="person", max_records=10)
    release = Release(np.array([256, -128, 512]), "ab" * 32, "cd" * 32, privacy)
    again = Release.from_bytes(release.to_bytes())
    assert (again.privacy, again.fingerprint) == (privacy, release.fingerprint)
    np.testing.assert_array_equal(again.records, [1, -0.5, 2])
    assert again.noise == privacy.sigma / 256
    assert again.adds_up_to(2) and not again.adds_up_to(3)
    assert b"proxyset.release/2" in release.to_bytes() and b"proxyset.release/1" in DATA
    assert "√10 records" in repr(release)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"grid": 128}, "moves these counts by 404.7"),
        ({"max_records": 11}, "moves these counts by"),
        ({"unit": "record"}, "for one record counts 10 of it on a grid of 256"),
        ({"epsilon": 0.57}, "claims ε = 0.57"),
        ({"adjacency": "replace-one"}, "moves these counts by 1144"),
    ],
)
def test_a_statement_on_a_grid_whose_numbers_do_not_follow_is_refused(change, match):
    privacy = privacy_statement(0.58, unit="person", max_records=10).model_copy(update=change)
    with pytest.raises(ArtifactError, match=match):
        Release.from_bytes(Release(np.zeros(3, np.int64), "ab" * 32, "cd" * 32, privacy).to_bytes())


def test_the_version_says_whether_there_is_a_grid():
    for version, privacy in (("2", PRIVACY), ("1", privacy_statement(0.58, unit="person"))):
        header = _Header(
            schema_version=f"proxyset.release/{version}", probe="ab" * 32, index="cd" * 32, privacy=privacy
        )
        with pytest.raises(ArtifactError, match="is not of proxyset"):
            Release.from_bytes(pack(header, {"counts": np.zeros(3, np.int64)}))


def test_the_size_does_not_depend_on_the_counts():
    sizes = {
        len(Release(np.full(50, value), "ab" * 32, "cd" * 32, PRIVACY).to_bytes()) for value in (0, -7, 2**50)
    }
    assert len(sizes) == 1


def test_a_probe_is_not_a_release():
    with pytest.raises(ArtifactError, match="schema"):
        Probe.from_bytes(DATA)


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"counts": np.ones(3)},
        {"counts": np.ones((3, 1), np.int64)},
        {"counts": np.ones(3, np.int64), "n": np.ones(1)},
    ],
)
def test_other_tensors_are_refused(tensors):
    with pytest.raises(ArtifactError, match="one tensor"):
        Release.from_bytes(pack(_Header(probe="ab" * 32, index="cd" * 32, privacy=PRIVACY), tensors))


@pytest.mark.parametrize(
    "change", [(b"0.58", b"-0.5"), (b"record", b"planet"), (b'"sigma\\":6.15', b'"sigma\\":0.00')]
)
def test_impossible_statements_are_refused(change):
    with pytest.raises(ArtifactError):
        Release.from_bytes(DATA.replace(*change))


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"[]", b"null", b"0"])
def test_odd_values_in_a_header_are_refused(constant):
    size = int.from_bytes(DATA[:8], "little")
    header = DATA[8 : 8 + size].replace(b"0.58", constant)
    with pytest.raises(ArtifactError):
        Release.from_bytes(len(header).to_bytes(8, "little") + header + DATA[8 + size :])


@settings(deadline=None)
@given(st.integers(0, len(DATA)))
def test_truncated(length):
    if length < len(DATA):
        with pytest.raises(ArtifactError):
            Release.from_bytes(DATA[:length])


def test_deeply_nested_header_is_refused_not_crashed_on():
    header = b'{"__metadata__":{"proxyset":"' + b"[" * 100_000 + b'"}}'
    with pytest.raises(ArtifactError):
        Release.from_bytes(len(header).to_bytes(8, "little") + header)


@pytest.mark.parametrize("count", [2**53 + 1, -(2**53) - 1, np.iinfo(np.int64).min, -247])
def test_counts_that_no_client_can_have_are_refused(count):
    """σ = 6.15: 40 σ is 246."""
    with pytest.raises(ArtifactError, match="no client"):
        Release.from_bytes(Release(np.array([3, count]), "ab" * 32, "cd" * 32, PRIVACY).to_bytes())


def test_no_counts_are_no_release():
    with pytest.raises(ArtifactError, match="one tensor"):
        Release.from_bytes(Release(np.empty(0, np.int64), "ab" * 32, "cd" * 32, PRIVACY).to_bytes())


def test_a_receipt_changes_the_bytes_but_not_the_fingerprint():
    signed = replace(RELEASE, receipt=b"signed")
    again = Release.from_bytes(signed.to_bytes())
    assert again.receipt == b"signed"
    assert again.fingerprint == RELEASE.fingerprint
    assert signed.to_bytes() != DATA
    with pytest.raises(ArtifactError, match="receipt in a release"):
        Release.from_bytes(replace(RELEASE, receipt=b"x" * 70_000).to_bytes())


@pytest.mark.parametrize("value", [rb"\"\\ud800\"", b"9" * 5000])
def test_half_a_character_and_endless_numbers_in_a_header(value):
    size = int.from_bytes(DATA[:8], "little")
    header = DATA[8 : 8 + size].replace(b"0.58", value)
    with pytest.raises(ArtifactError):
        Release.from_bytes(len(header).to_bytes(8, "little") + header + DATA[8 + size :])


def test_too_large():
    with pytest.raises(ArtifactError, match="more than the"):
        Release.from_bytes(b"\0" * (RELEASE_LIMIT + 1))


@settings(max_examples=150, deadline=None)
@given(
    epsilon=st.floats(0.001, 100),
    delta=st.sampled_from([1e-12, 1e-6, 1e-5, 1e-3, 0.1, 0.4]),
    adjacency=st.sampled_from(["add-remove", "replace-one"]),
    person=st.booleans(),
    records=st.integers(1, 50),
)
def test_what_a_client_states_passes_and_half_of_its_epsilon_does_not(
    epsilon, delta, adjacency, person, records
):
    unit, most = ("person", records) if person else ("record", 1)
    privacy = privacy_statement(epsilon, delta, unit, adjacency, most)
    check_statement(privacy)
    check_statement(privacy.model_copy(update={"epsilon": 2 * epsilon}))  # promises less
    if privacy.noise > 3 * most:  # below, the lattice shows: σ jumps, and may be enough for less
        with pytest.raises(ArtifactError, match="claims ε"):
            check_statement(privacy.model_copy(update={"epsilon": epsilon / 2}))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"epsilon": 1e-9}, "claims ε = 1e-09"),
        ({"epsilon": 0.57}, "claims ε = 0.57"),
        ({"delta": 1e-6}, "claims ε = 0.58 at δ = 1e-06"),
        ({"rho": 0.01}, "claims ρ = 0.01; its σ = 6.15"),
        ({"sigma": 61.4}, "claims ρ"),
        ({"l2_sensitivity": 0.1, "rho": 0.01 / (2 * 6.15**2)}, "sensitivity of 0.1"),
        ({"adjacency": "replace-one"}, "by 1.41421"),
        ({"max_records": 2}, "counts 2 of it"),
        ({"unit": "person", "max_records": 2}, "by 2"),
        ({"sigma": 1e-300}, "give inf"),
        ({"sigma": 1e-5, "rho": 0.5e10, "epsilon": 1e300}, "above 10000 nothing is promised"),
        ({"sigma": 1e300}, "give 0"),
        ({"sigma": 60_000.0, "rho": 1 / (2 * 6e4**2), "epsilon": 1e-9}, "claims ε = 1e-09"),
    ],
)
def test_a_statement_whose_numbers_do_not_follow_from_each_other_is_refused(change, match):
    """Whoever reads a release refuses it: `select`, `serve`, a campaign, Flower, the ledger."""
    false = replace(RELEASE, counts=np.array([3, 2]), privacy=PRIVACY.model_copy(update=change))
    with pytest.raises(ArtifactError, match=match):
        Release.from_bytes(false.to_bytes())
