import re

import pytest

from proxyset.demo.statistics import Spread
from proxyset_lab.figures import Curve, draw


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        ("ecos, R = 25", 2),
        ("ecos:clear (NOT PRIVATE), R = 10", 1),
        ("a floor under each vote, iid, two-party, floor 4", 1),
    ],
)
def test_no_name_of_the_legend_is_written_over_another(name, beside):
    curves = [
        Curve(f"{name}{number}", [(1.0, Spread(0.5, 0.1)), (2.0, Spread(0.6, 0.1))]) for number in range(4)
    ]
    drawn = draw("title", "x", curves)
    lefts = {
        left
        for left, said in re.findall(r'<text x="([\d.]+)" y="[\d.]+">([^<]*)', drawn)
        if said.startswith(name)
    }
    assert len(lefts) == beside
    height = float(re.search(r'viewBox="0 0 520 (\d+)"', drawn)[1])
    assert all(float(y) < height for y in re.findall(r'<text x="[\d.]+" y="([\d.]+)">', drawn))


def test_a_long_title_is_not_cut_off():
    title = "iconnet: the rule was designed on these, balanced accuracy in %, pool ID + OoD, budget 1,000"
    drawn = draw(title, "x", [Curve("ecos", [(1.0, Spread(0.5, 0.1)), (2.0, Spread(0.6, 0.1))])])
    lines = re.findall(r'font-weight="600">([^<]*)', drawn)
    assert " ".join(lines) == title and max(map(len, lines)) <= 64


def test_equal_scores_are_equally_high():
    points = [(1.0, Spread(0.5, 0.1)), (2.0, Spread(0.6, 0.1))]
    drawn = draw("title", "x", [Curve(name, points) for name in ("random", "ecos", "k-center")])
    assert len(set(re.findall(r'points="([^"]*)"', drawn))) == 1
