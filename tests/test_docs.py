import re
import tomllib
from pathlib import Path

import pytest

from proxyset.cli.names import current
from proxyset_lab.cli.reference import lab_page, proxyset_page

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("lab/*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("docs/results/README.md"),
    ]
)


@pytest.mark.parametrize(("place", "page"), [("docs/cli.md", proxyset_page), ("lab/README.md", lab_page)])
def test_the_pages_of_commands_are_up_to_date(place, page):
    assert (ROOT / place).read_text(encoding="utf-8") == page(), "run: proxyset-lab reference"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_docs_exist(page):
    known = set(re.findall(r"^## (proxyset.*)$", proxyset_page() + lab_page(), re.MULTILINE))
    code = "\n".join(
        re.findall(r"^```sh$(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    )
    for line in re.findall(r"^\s*(proxyset(?:-lab)? [a-z].*)$", code, re.MULTILINE):
        program, *words = line.split()
        words = [program, *(current(words) if program == "proxyset" else words)]
        assert any(" ".join(words[:length]) in known for length in (2, 3, 4)), f"{page.name} shows {line!r}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_the_docs_install_is_there_to_be_installed(page):
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    for line in re.findall(r"pip install ([^\n`]+)", page.read_text(encoding="utf-8")):
        # the package is on no index: it is installed from its checkout
        assert "proxyset" not in line, f"{page.name} installs {line!r}"
        for named in re.findall(r"^'\.\[(.+)\]'", line):
            assert set(named.split(",")) <= extras, f"{page.name} installs {line!r}"


def test_every_command_has_help_with_an_example():
    sections = re.split(r"^## ", proxyset_page() + lab_page(), flags=re.MULTILINE)[1:]
    for section in sections:
        if not section.startswith("proxyset"):
            continue  # what is shared, and names from before
        assert re.search(r"^    proxyset(-lab)? ", section, re.MULTILINE), section.splitlines()[0]
