import re
from html.parser import HTMLParser

import numpy as np

from proxyset.train.evaluate import evaluate
from proxyset.train.report import Report, pick_samples, reliability_chart, render


def found(n=60, K=3):
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.full(K, 0.4), n).astype(np.float32)
    y = np.where(rng.random(n) < 0.7, P.argmax(axis=1), rng.integers(0, K, n))
    return P, y


class Balance(HTMLParser):
    """Every element that is opened is closed."""

    VOID = ("meta", "img", "br", "line", "circle", "polyline")

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_whole_report_needs_nothing_else_and_escapes_names():
    P, y = found()
    pixels = np.random.default_rng(0).integers(0, 256, (60, 3, 9, 9), dtype=np.uint8)
    classes = ("<b>", "b & c", "d")
    mistakes, samples = pick_samples(pixels, y, P, classes)
    evaluation = evaluate(P, y)
    html = render(
        Report(
            "A <title>", (("name", "<i>"),), classes, evaluation, "60 items", mistakes, samples, ("a note",)
        )
    )
    parser = Balance()
    parser.feed(html)
    assert parser.open == []
    assert "<script" not in html and "http" not in html and "<b>" not in html and "<i>" not in html
    assert f"{100 * evaluation.accuracy:.1f} %" in html
    assert html.count("<img") == len(mistakes) + len(samples)
    assert "a note" in html


def test_mistakes_are_wrong_and_the_surest_first():
    P, y = found()
    pixels = np.zeros((60, 3, 9, 9), np.uint8)
    mistakes, samples = pick_samples(pixels, y, P, ("a", "b", "c"))
    assert all(sample.truth != sample.guess for sample in mistakes)
    assert [s.sureness for s in mistakes] == sorted((s.sureness for s in mistakes), reverse=True)
    assert len(samples) == 16


def test_without_test_data_it_says_that_nothing_is_known():
    html = render(Report("T", (), ("a", "b"), None))
    assert "no test data" in html
    assert "<svg" not in html


def test_the_chart_has_a_dot_for_each_bin_that_holds_items():
    evaluation = evaluate(*found())
    svg = reliability_chart(evaluation)
    assert svg.count("<circle") == sum(found.items > 0 for found in evaluation.bins)
    assert re.search(r'role="img" aria-label="Reliability curve', svg)
