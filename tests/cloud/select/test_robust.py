import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyset.client.calibration import privacy_statement
from proxyset.cloud.select import robust
from proxyset.wire.release import Release

counts = st.integers(-(2**40), 2**53)


def slow(column, least):
    """The same for one cluster, in plain Python."""
    middle = sorted(column)
    n = len(middle)
    median = (middle[(n - 1) // 2] + middle[n // 2]) / 2
    apart = sorted(abs(x - median) for x in column)
    scale = max(1.4826 * (apart[(n - 1) // 2] + apart[n // 2]) / 2, least)
    return n * median + sum(min(max(x - median, -1.5 * scale), 1.5 * scale) for x in column)


@given(x=st.lists(st.lists(st.integers(-50, 5000), min_size=3, max_size=3), min_size=1, max_size=12))
def test_against_the_slow_reference(x):
    x = np.array(x, float)
    np.testing.assert_allclose(robust.huber(x, 6.0), [slow(list(column), 6.0) for column in x.T])


@given(honest=st.lists(st.integers(-20, 200), min_size=2, max_size=9), lies=st.lists(counts, max_size=8))
def test_fewer_than_half_cannot_leave_what_honest_clients_span(honest, lies):
    lies = lies[: len(honest) - 1]
    n, low, high = len(honest) + len(lies), min(honest), max(honest)
    found = robust.huber(np.array([[x] for x in honest + lies], float), 6.0)[0]
    reach = 1.5 * max(1.4826 * (high - low), 6.0)
    assert n * (low - reach) - 1e-6 <= found <= n * (high + reach) + 1e-6


@pytest.mark.parametrize("n", [3, 4, 10, 11, 100])
def test_the_noise_that_is_stated_is_the_noise_there_is(n):
    """Rounded normal counts of honest, equal clients. 200,000 columns: the deviation is known to 0.2 % (one standard error),
    so that 3 % below or above would be a fault of the formula; for small n it is known to be that far off.
    """
    x = np.rint(np.random.default_rng(n).normal(5, 6.14, (n, 200_000)))
    total = robust.huber(x, 6.14)
    assert total.mean() == pytest.approx(5 * n, rel=0.01)
    assert total.std() == pytest.approx(6.14 * np.sqrt(n) * robust.INFLATION, rel=0.03)
    assert pytest.approx(1.027, abs=0.001) == robust.INFLATION


def test_a_cluster_that_one_client_holds_alone_is_still_seen():
    x = np.zeros((10, 2))
    x[3, 1] = 300
    np.testing.assert_allclose(robust.huber(x, 6.0), [0, 9])


def test_blocks_of_clusters_give_what_one_pass_gives(monkeypatch):
    rng = np.random.default_rng(0)
    releases = [
        Release(rng.integers(-5, 90, 20), "b" * 64, "a" * 64, privacy_statement(1.0)) for _ in range(7)
    ]
    weights, noise = rng.uniform(0.5, 1, 7), np.full(7, 4.0)
    whole, sigma = robust.total(releases, weights, noise)
    for columns_read, columns_worked in ((6, 20), (6, 4), (20, 3)):
        monkeypatch.setattr(robust, "_HELD_BYTES", 4 * 7 * columns_read)
        monkeypatch.setattr(robust, "_WORK_BYTES", 8 * 7 * columns_worked)
        np.testing.assert_array_equal(robust.total(releases, weights, noise)[0], whole)
    assert sigma == pytest.approx(4.0 * np.sqrt(7) * robust.INFLATION)


def test_the_largest_counts_a_release_may_hold():
    """Held in float32: what is off is one part in 2²⁴ of the counts, and a liar's 2⁵³ moves nothing more than any other lie."""
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 2**40, (9, 5))
    releases = [Release(row, "b" * 64, "a" * 64, privacy_statement(1.0)) for row in counts]
    ones = np.ones(9)
    exact = robust.huber(counts.astype(float), 1.0)
    np.testing.assert_allclose(robust.total(releases, ones, ones)[0], exact, rtol=2**-20)
    liar = Release(np.full(5, 2**53), "b" * 64, "a" * 64, privacy_statement(1.0))
    lied = np.vstack([counts[1:], np.full(5, 2.0**53)])
    found = robust.total([*releases[1:], liar], ones, ones)[0]
    np.testing.assert_allclose(found, robust.huber(lied, 1.0), rtol=2**-20)
