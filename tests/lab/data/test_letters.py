from collections import Counter

import pytest

from proxyset.demo.cache import load
from proxyset.errors import InvalidData
from proxyset_lab.data import letters


def test_a_package_that_has_lost_its_faces_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(letters, "read_debian", lambda package, wanted: {})
    with pytest.raises(InvalidData, match="0 faces of lato"):
        letters._faces(letters._FAMILIES[0], tmp_path)


@pytest.mark.thorough
def test_every_family_has_every_letter_and_several_faces():
    table = load(letters.LETTERS_BY_FAMILY)
    assert len(table) == letters.LETTERS_BY_FAMILY.items
    domains, labels = table["domain"].to_pylist(), table["label"].to_pylist()
    assert set(Counter(zip(domains, labels, strict=True)).values()) == {letters.PER_LETTER}
    faces = Counter(domain for domain, _ in set(zip(domains, table["group"].to_pylist(), strict=True)))
    assert len(faces) == 23 and min(faces.values()) >= 5
