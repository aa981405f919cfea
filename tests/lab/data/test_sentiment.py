from collections import Counter

import pytest

from proxyset.demo.cache import fetch, load
from proxyset_lab.data import sentiment


def test_texts_of_four_domains_with_clear_ratings():
    assert fetch(sentiment.SENTIMENT).as_expected
    table = load(sentiment.SENTIMENT)
    assert len(table) == sentiment.SENTIMENT.items
    assert set(table["label"].to_pylist()) == {"negative", "positive"}
    counts = Counter(table["domain"].to_pylist())
    assert (
        set(counts) == {domain.name for domain in sentiment.SENTIMENT.domains} and min(counts.values()) > 2500
    )
    texts = table["text"].to_pylist()
    assert len(set(texts)) == len(texts) == len(set(table["id"].to_pylist()))
    assert all(text.strip() for text in texts)


@pytest.mark.thorough
def test_a_second_build_is_the_same():
    again = sentiment.build()
    assert again.fingerprint == sentiment.SENTIMENT.fingerprint
    assert again.table.equals(load(sentiment.SENTIMENT).replace_schema_metadata(None))
