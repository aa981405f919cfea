import re

import pytest

from proxyset.demo.statistics import Spread
from proxyset_lab.figures import Curve, draw


@pytest.mark.parametrize(
    ("name", "beside"), [("ecos, R = 25", 2), ("a floor under each vote, iid, two-party, floor 4", 1)]
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
