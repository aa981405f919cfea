import re
from html.parser import HTMLParser
from importlib.resources import files
from xml.etree import ElementTree

import pytest

from proxyset.demo.charts import accuracy_chart
from proxyset.demo.digits import DIGITS_SMALL
from proxyset.demo.report import render

LOADING = {"src", "href", "srcset", "action", "data", "poster", "background", "xlink:href", "formaction"}
COLOURS = ("ink", "soft", "accent", "second", "third")


class Page(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.counts, self._count = [], [], False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._count = dict(attrs).get("class") == "count"

    def handle_data(self, data):
        if self._count:
            self.counts.append(int(data.replace("−", "-")))
            self._count = False

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def html(results):
    return render(results, DIGITS_SMALL)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_nothing_is_loaded_from_elsewhere(html, page):
    loaded = [value for _, attributes in page.tags for name, value in attributes.items() if name in LOADING]
    assert loaded and all(value.startswith("data:image/png;base64,") for value in loaded)
    assert not {"script", "link", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.tags}
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style and "@import" not in style


def test_only_noisy_counts_are_shown(page, results):
    runs = [results.of(domain)[0] for domain in results.domains]
    assert page.counts == [c.noisy_count for run in runs for c in (*run.covered, *run.uncovered)]
    assert min(page.counts) < 0


def test_it_can_be_read_without_eyes_and_mouse(page):
    assert page.of("html")[0]["lang"] == "en"
    assert all(re.fullmatch(r"\d \([a-z-]+\)", image["alt"]) for image in page.of("img"))
    assert len(page.of("caption")) == len(page.of("table")) and all(cell["scope"] for cell in page.of("th"))
    assert all(svg.get("aria-label") or svg.get("aria-hidden") for svg in page.of("svg"))
    assert page.of("meta")[1] == {"name": "viewport", "content": "width=device-width, initial-scale=1"}


def test_it_quotes_the_figures(html):
    assert (
        "+10.0" in html and "1.4 kB" in html and "15.8 kB" in html and "ε = 0.58" in html and "1e−5" in html
    )
    assert all(domain.licence in html for domain in DIGITS_SMALL.domains)
    assert "abababab…" in html and "2026-01-02T03:04:05Z" in html


def test_a_single_run_is_told_without_an_interval(results):
    from dataclasses import replace

    html = render(replace(results, runs=results.runs[:1]), DIGITS_SMALL)
    assert "1 exchange in all" in html and "95 % interval" not in html


@pytest.mark.parametrize("budget", [30, 100])
def test_charts_are_well_formed_and_inside_their_frame(results, budget):
    root = ElementTree.fromstring(accuracy_chart(results, budget))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for element in root.iter():
        for name, limit in (
            ("x1", width),
            ("x2", width),
            ("cx", width),
            ("y1", height),
            ("y2", height),
            ("cy", height),
        ):
            assert 0 <= float(element.get(name, 0)) <= limit, ElementTree.tostring(element)
    assert (
        sum(element.get("class") == "mark ecos" for element in root.iter()) == 3
    )  # two domains and their average


def test_contrast_in_light_and_dark():
    """WCAG 2.2: 4.5 for text, 3 for marks."""
    colours = files("proxyset.page").joinpath("static", "colours.css").read_text()
    style = files("proxyset.demo").joinpath("templates", "report.css").read_text()
    light, dark = (
        dict(re.findall(r"--(\w+): (#\w{6});", block)) for block in re.findall(r":root \{([^}]*)\}", colours)
    )
    marks = re.findall(r"--mark: (#\w{6})", style)
    for theme in (light, dark):
        for ground in (theme["ground"], theme["raised"]):
            assert min(contrast(theme[name], ground) for name in COLOURS) >= 4.5
            assert min(contrast(mark, ground) for mark in marks) >= 3


def contrast(one, other):
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def luminance(colour):
    values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
