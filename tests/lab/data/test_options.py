from collections import Counter

import pytest

from proxyset.demo.cache import load
from proxyset_lab.data import options

SOURCE = '''
DOCUMENTATION = r"""
options:
  name: {description: [Of the thing., More of it.], type: str}
  odd: {description: No such type., type: path}
  parts:
    description: Its parts.
    type: list
    suboptions:
      size: {description: "How   large.", type: int}
  silent: {type: bool}
"""
'''


def test_options_and_those_below_them():
    assert list(options._options(SOURCE)) == [
        ("Of the thing. More of it.", "str"),
        ("Its parts.", "list"),
        ("How large.", "int"),
    ]


@pytest.mark.parametrize("source", ["", "DOCUMENTATION = '''a: [''' ", "DOCUMENTATION = '''[1]'''"])
def test_a_module_without_readable_options_has_none(source):
    assert not list(options._options(source))


@pytest.mark.slow
def test_many_vendors_with_all_types():
    table = load(options.OPTIONS)
    assert len(table) == options.OPTIONS.items
    counts = Counter(zip(table["domain"].to_pylist(), table["label"].to_pylist(), strict=True))
    assert {domain for domain, _ in counts} == {domain.name for domain in options.OPTIONS.domains}
    assert min(counts.values()) >= 10 and len(counts) == 4 * len(options.OPTIONS.domains) >= 4 * 15
