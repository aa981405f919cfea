from __future__ import annotations

import math
import multiprocessing as mp
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from proxyset.client.calibration import privacy_statement
from proxyset.client.noise import gaussian
from proxyset.errors import InvalidInput, LedgerError
from proxyset.wire.release import PrivacyStatement
from tests.client.conftest import drawing as mechanism
from tests.client.conftest import paid

FALSE_ALARM = 1e-7  # of each chi-square below; with two of them at most 2e-7 a run


def statement(sigma: float) -> PrivacyStatement:
    return privacy_statement(1.0).model_copy(update={"sigma": sigma, "rho": (1 + 1e-9) / (2 * sigma**2)})


@pytest.mark.parametrize("sigma", [0.8, 6.1419])
def test_the_distribution_is_the_discrete_gaussian(sigma: float) -> None:
    """Chi-square on 120,000 draws over all cells with at least 10 expected; false alarm FALSE_ALARM."""
    n = 120_000
    draws = mechanism(n, statement(sigma))(np.zeros(n, np.int64))
    reach = math.ceil(14 * sigma) + 5
    x = np.arange(-reach, reach + 1)
    p = np.exp(-(x**2) / (2 * sigma**2))
    p /= p.sum()
    inner = n * p >= 10
    observed = np.array([(draws == value).sum() for value in x[inner]])
    expected = n * p[inner]
    observed, expected = np.append(observed, n - observed.sum()), np.append(expected, n - expected.sum())
    statistic = ((observed - expected) ** 2 / expected).sum()
    assert stats.chi2.sf(statistic, len(expected) - 1) > FALSE_ALARM


def test_counts_are_shifted_not_scaled() -> None:
    """Mean of 20,000 draws within 6 standard errors: false alarm 2e-9."""
    counts = np.full(20_000, 1000, np.int64)
    noisy = mechanism(len(counts), statement(3.0))(counts)
    assert noisy.dtype == np.int64
    assert noisy.shape == counts.shape
    assert abs(noisy.mean() - 1000) < 6 * 3.0 / math.sqrt(len(counts))


def test_numpy_and_python_seeds_change_nothing() -> None:
    """Equal by chance with probability below 1e-100."""
    import random

    add = mechanism(200, statement(20.0))
    draws = []
    for _ in range(2):
        np.random.seed(0)
        random.seed(0)
        draws.append(add(np.zeros(200, np.int64)))
    assert (draws[0] != draws[1]).any()


def test_fresh_processes_differ() -> None:
    code = (
        "import numpy as np; from tests.client.conftest import drawing as mechanism; "
        "from proxyset.client.calibration import privacy_statement; "
        "print(mechanism(100, privacy_statement(0.1))(np.zeros(100, np.int64)).tolist())"
    )
    outputs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(3)
    }
    assert len(outputs) == 3


def _draw_in_child(add, queue) -> None:  # type: ignore[no-untyped-def]
    queue.put((os.getpid(), add(np.zeros(100, np.int64)).tolist()))


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_forks_do_not_share_noise() -> None:
    context = mp.get_context("fork")
    add = mechanism(100, privacy_statement(0.1))
    add(np.zeros(100, np.int64))  # a generator that were seeded once would now be copied into each child
    queue = context.Queue()
    children = [context.Process(target=_draw_in_child, args=(add, queue)) for _ in range(4)]
    for child in children:
        child.start()
    draws = [tuple(queue.get(timeout=60)[1]) for _ in children] + [
        tuple(add(np.zeros(100, np.int64)).tolist())
    ]
    for child in children:
        child.join()
    assert len(set(draws)) == 5


def test_a_statement_that_understates_is_refused() -> None:
    honest = privacy_statement(0.58)
    with pytest.raises(InvalidInput, match="costs"):
        mechanism(5, honest.model_copy(update={"rho": honest.rho / 2}))


def test_what_draws_takes_a_debit_of_its_own() -> None:
    """No debit, one for other noise, or one that was drawn for: nothing is drawn."""
    privacy, zeros = privacy_statement(0.58), np.zeros(5, np.int64)
    add, debit = gaussian(5, privacy), paid(privacy)
    for entry in (replace(debit, kind="cap"), paid(privacy_statement(0.1))):
        with pytest.raises(LedgerError, match="pays for no draw"):
            add(zeros, entry)
    add(zeros, debit)
    for again in (add, gaussian(5, privacy)):
        with pytest.raises(LedgerError, match="pays for no draw"):
            again(zeros, debit)
