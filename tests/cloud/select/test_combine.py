from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from proxyset.client.answer import answer
from proxyset.client.calibration import privacy_statement
from proxyset.client.ledger import Ledger
from proxyset.client.receipts import make_key
from proxyset.cloud.build import build_index
from proxyset.cloud.proxy_set import select
from proxyset.cloud.select import combine, robust, weigh
from proxyset.errors import ArtifactError, InvalidInput
from proxyset.wire.release import Release

INDEX = "a" * 64


statement = cache(privacy_statement)  # its calibration takes longer than the rest of a test


def release(counts, epsilon=1.0):
    return Release(np.array(counts, np.int64), "b" * 64, INDEX, statement(epsilon))


def weights(releases, max_weight=3.0, rule="capped"):
    return weigh(releases, INDEX, len(releases[0].counts), max_weight, rule).weights


def test_few_releases_are_summed_as_they_are():
    assert combine([], INDEX, 2) is None
    found = combine([release([1, 900]), release([3, 4], 0.5)], INDEX, 2)
    np.testing.assert_array_equal(found.counts, [4, 904])
    sigmas = privacy_statement(1.0).sigma, privacy_statement(0.5).sigma
    assert found.sigma == pytest.approx(np.hypot(*sigmas))


@pytest.mark.parametrize("rule", ["sum", "capped", "robust"])
def test_counts_on_a_grid_are_records(rule):
    """Clients whose unit is a person and clients whose unit is a record weigh the same for the same records and noise."""
    person = statement(1.0, unit="person", max_records=1)
    on_grid = Release(np.array([2560, 0]), "b" * 64, INDEX, person)
    others = [release([0, 10]), release([10, 10])]
    found = combine([on_grid, *others], INDEX, 2, rule=rule)
    expected = combine([release([10, 0]), *others], INDEX, 2, rule=rule)
    np.testing.assert_allclose(found.counts, expected.counts, rtol=0.01)
    assert found.sigma == pytest.approx(expected.sigma, rel=0.01)


def test_a_heavy_release_is_scaled_and_so_is_its_noise():
    releases = [release([10, 0]), release([0, 10]), release([-100, 900])]
    np.testing.assert_allclose(weights(releases, 2), [1, 1, 0.02])
    found = combine(releases, INDEX, 2, 2)
    np.testing.assert_allclose(found.counts, [10 - 2, 10 + 18])
    assert found.sigma == pytest.approx(privacy_statement(1.0).sigma * np.sqrt(2 + 0.02**2))
    np.testing.assert_array_equal(weights(releases, float("inf")), [1, 1, 1])
    np.testing.assert_array_equal(weights(releases, 2, "sum"), [1, 1, 1])
    np.testing.assert_array_equal(combine(releases, INDEX, 2, 2, "sum").counts, [-90, 910])


def test_a_noisier_release_counts_by_its_variance():
    releases = [release([10, 9]), release([9, 10], 1.0), release([5, -3], 0.1), release([8, 8], 3.0)]
    one, tenth, three = (privacy_statement(epsilon).sigma for epsilon in (1.0, 0.1, 3.0))
    expected = [1, 1, (one / tenth) ** 2, 1]
    np.testing.assert_allclose(weights(releases), expected)
    found = combine(releases, INDEX, 2)
    assert found.sigma == pytest.approx(np.sqrt(2 * one**2 + (one**2 / tenth) ** 2 + three**2))
    assert found.sigma < combine(releases, INDEX, 2, rule="sum").sigma / 4
    np.testing.assert_allclose(
        combine(releases, INDEX, 2, rule="robust").sigma, found.sigma * robust.INFLATION
    )


@given(
    honest=st.lists(
        st.lists(st.integers(0, 100), min_size=4, max_size=4), min_size=2, max_size=9, unique_by=tuple
    ),
    poison=st.lists(st.integers(-100, 2**53), min_size=4, max_size=4),
    most=st.floats(1, 10),
)
@settings(deadline=None)
def test_one_liar_is_bounded_by_the_largest_honest_client(honest, poison, most):
    """Whatever one of three or more sends, it moves the sum by at most `most` times an honest client's mass."""
    assume(poison not in honest)
    releases = [release(counts) for counts in honest] + [release(poison)]
    w = weights(releases, most)
    assert ((w > 0) & (w <= 1)).all()
    largest = max(1, *(sum(counts) for counts in honest))
    assert w[-1] * np.abs(np.array(poison, float)).sum() <= most * largest * (1 + 1e-9)


def test_impossible_combinations():
    for bad, why in (
        ([release([1, 2])] * 2, "twice"),
        ([release([1, 2, 3])], "3 counts"),
        ([Release(np.array([1, 2]), "b" * 64, "c" * 64, privacy_statement(1.0))], "another|answers a probe"),
    ):
        with pytest.raises(InvalidInput, match=why):
            combine(bad, INDEX, 2)
    with pytest.raises(InvalidInput, match="unknown way"):
        combine([release([1, 2])], INDEX, 2, rule="median")
    for weight in (0.5, -1.0, float("nan")):
        with pytest.raises(InvalidInput, match="max_weight"):
            combine([release([1, 2])], INDEX, 2, weight)


def test_one_client_counts_once(blobs):
    """Two answers of one ledger: whoever signed both is one client, though the answers differ."""
    index = build_index(blobs / "pool.npy", blobs / "index", clusters=12)
    probe, X = index.probe(), np.load(blobs / "private.npy")
    first, second = Ledger.open(blobs / "l0"), Ledger.open(blobs / "l1")
    make_key(first), make_key(second)
    ours = [answer(probe, X, epsilon=1, ledger=first, fresh=True, dataset="X") for _ in range(2)]
    theirs = answer(probe, X, epsilon=1, ledger=second, dataset="X")
    with pytest.raises(InvalidInput, match="1 and 3 are of one client"):
        combine([ours[0], theirs, ours[1]], index.fingerprint, 12)
    assert combine([ours[0], theirs], index.fingerprint, 12) is not None
    with pytest.raises(ArtifactError, match="receipt"):
        combine([replace(ours[0], receipt=theirs.receipt)], index.fingerprint, 12)


def test_a_poisoned_client_among_ten(blobs, command):
    """Nine honest clients near two of six blobs; one sends a billion counts for another blob."""
    index = build_index(blobs / "pool.npy", blobs / "index", clusters=12)
    probe, X = index.probe(), np.load(blobs / "private.npy")
    releases = [
        answer(probe, part, epsilon=3, ledger=blobs / f"l{n}", dataset="X")
        for n, part in enumerate(np.split(X[:396], 9))
    ]
    wrong = index.candidates().clusters[2]  # the pool's row 2 is of blob 2
    poison = np.zeros(12, np.int64)
    poison[wrong] = 10**9
    releases.append(Release(poison, probe.fingerprint, probe.index, releases[0].privacy))

    def share_of_the_wanted(out, **options):
        proxy = select(index, releases, blobs / out, budget=100, strategy="ecos", **options)
        return np.mean([int(item) % 6 < 2 for item in proxy.selection().column("id").to_pylist()])

    assert share_of_the_wanted("open", max_weight=float("inf")) < 0.1
    assert share_of_the_wanted("capped") > 0.6
    assert share_of_the_wanted("strict", max_weight=1.0) > 0.75
    assert share_of_the_wanted("robust", rule="robust") > 0.9
    files = []
    for number, one in enumerate(releases):
        files.append(blobs / "r" / f"{number:02d}.safetensors")
        files[-1].parent.mkdir(exist_ok=True)
        files[-1].write_bytes(one.to_bytes())
    status, facts, _ = command(
        *("select", blobs / "index", blobs / "r", "--combine", "robust"),
        *("--budget", 100, "--strategy", "ecos", "--out", blobs / "folder", "--json"),
    )
    assert (status, facts["combined"]) == (0, "robust")
    assert (blobs / "folder" / "selection.parquet").read_bytes() == (
        blobs / "robust" / "selection.parquet"
    ).read_bytes()
    options = ("--budget", 50, "--max-weight", 1, "--out", blobs / "cli", "--json")
    status, facts, _ = command("select", blobs / "index", *files, *options)
    assert status == 0
    assert facts["weights"][-1] < 1e-6
    assert "scaled to" in (blobs / "cli" / "card.md").read_text()
    assert (
        command(
            "select", blobs / "index", *files, "--budget", 50, "--max-weight", 0.1, "--out", blobs / "no"
        )[0]
        == 1
    )
