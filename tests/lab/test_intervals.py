import numpy as np
import pytest

from proxyset.demo.statistics import Gain, paired_gain
from proxyset_lab.designed import designed_on
from proxyset_lab.intervals import closed, holm
from proxyset_lab.tables import Table, markdown


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.02]) == [True, True, True]  # 0.05/3, 0.05/2, 0.05
    assert holm([0.01, 0.04, 0.03]) == [True, False, False]  # 0.03 > 0.05/2, and what follows falls with it
    assert holm([]) == []


def test_holm_keeps_its_level_over_a_family():
    """Eight hypotheses without any effect: a false rejection in at most 5 % of 2,000 families (+ 0.02: chance of 4e-5)."""
    families = np.random.default_rng(0).random((2000, 8))
    assert np.mean([any(holm(list(ps))) for ps in families]) <= 0.07
    assert np.mean([(ps < 0.05).any() for ps in families]) > 0.25  # without correction


def test_a_table_marks_what_stays_and_says_how():
    gains = [paired_gain([mean - 0.01, mean, mean + 0.01], ["a", "b", "c"]) for mean in (0.5, 0.03)]
    table = Table(
        "T", ("x", "gain"), (("strong", gains[0]), ("weak", gains[1]), ("one site", Gain(0.1, None, 1, 1)))
    )
    text = markdown(table)
    assert gains[1].p < 0.05  # alone it would be called significant
    assert (
        "| strong | +50.0 ± 2.5* |" in text and "| weak | +3.0 ± 2.5* |" in text
    )  # 0.035 < 0.05, the second of two
    third = Table("T", ("gain",), ((gains[0],), (gains[1],), (gains[1],)))
    assert [row[0] for row in third.text] == ["+50.0 ± 2.5*", "+3.0 ± 2.5", "+3.0 ± 2.5"]
    assert "over 3 sites" in text and "2 intervals" in text and "80 % of such tests" in text
    assert "| one site | +10.0 |" in text


def test_a_share_of_a_gap_and_when_there_is_none():
    base = {str(site): 0.5 + site / 100 for site in range(8)}
    top = {site: value + 0.2 for site, value in base.items()}
    half = {site: value + 0.1 + 0.01 * (int(site) % 2) for site, value in base.items()}
    found = closed(half, base, top)
    assert found.share == pytest.approx(0.525) and 0.5 <= found.low < found.share < found.high <= 0.55
    assert closed(base, base, top).share == 0
    few = {"0", "1", "2", "3"}
    assert closed(*({site: of[site] for site in few} for of in (half, base, top))) is None
    level = {site: value + 0.1 * (-1) ** int(site) for site, value in base.items()}
    assert closed(half, base, level) is None  # a ceiling that is not above


def test_where_the_rule_was_designed():
    assert (
        designed_on("digits", "mnist")
        and designed_on("iconnet", "emoji")
        and not designed_on("digits", "synth")
    )
