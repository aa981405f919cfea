import importlib.util
import sys

import numpy as np
import pytest

from proxyset.encoders.text import DIM, MOST_CHARACTERS, WordLlamaEncoder
from proxyset.errors import EncoderMismatch, MissingExtra


@pytest.fixture(scope="module")
def encoder():
    return WordLlamaEncoder()


def test_equals_a_slow_reference(encoder):
    texts = ["hello world", "Grüße aus Köln", "a", "one two three " * 50] * 100
    expected = []
    for text in texts:
        ids = encoder._tokenizer.encode(text.strip(), add_special_tokens=False).ids
        mean = np.mean([encoder._table[i].astype(np.float64) for i in ids], axis=0)
        expected.append(mean / np.linalg.norm(mean))
    encoded = encoder.encode(texts)
    assert encoded.embeddings.shape == (400, DIM) and not encoded.problems
    np.testing.assert_allclose(encoded.embeddings, expected, atol=1e-5)


def test_meaning_shows(encoder):
    cat, kitten, tax = encoder.encode(["the cat sleeps", "a kitten naps", "quarterly tax report"]).embeddings
    assert cat @ kitten > cat @ tax


def test_what_is_not_a_text_is_a_problem(encoder):
    encoded = encoder.encode(["fine", "", " \n\t", None, 7])
    assert sorted(encoded.problems) == [1, 2, 3, 4]
    assert encoded.problems[1] == "the text is empty"
    assert not encoded.embeddings[1:].any()
    assert encoder.encode([]).embeddings.shape == (0, DIM)


def test_odd_texts_are_encoded(encoder):
    encoded = encoder.encode(["\ud800 lone surrogate", "nul \0 byte", "😀" * 10, "x" * 10**6])
    assert not encoded.problems
    np.testing.assert_allclose(np.linalg.norm(encoded.embeddings, axis=1), 1, atol=1e-5)


def test_only_the_beginning_of_a_long_text_counts(encoder):
    a, b = encoder.encode(["word " * MOST_CHARACTERS, "word " * MOST_CHARACTERS + "other"]).embeddings
    np.testing.assert_array_equal(a, b)


def test_neighbours_in_a_batch_do_not_matter(encoder):
    texts = [f"text number {i} " * (i % 7 + 1) for i in range(300)]
    together = encoder.encode(texts).embeddings
    alone = np.concatenate([encoder.encode([text]).embeddings for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_the_package_itself_is_not_imported(encoder):
    assert "wordllama" not in sys.modules


def test_the_fingerprint_is_fixed(encoder):
    """The next version must answer this version's probes: it changes only with the features."""
    assert encoder.spec.fingerprint == "6ac4cac326989d9ffbbb6ddfc6f5f561a1df0656b403583c09d9c2f71edddf15"


def test_without_the_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"proxyset\[text\]"):
        WordLlamaEncoder()


def test_another_tokenizer_is_noticed(monkeypatch):
    from proxyset.encoders import text

    monkeypatch.setattr(text, "_SELF_TEST_TEXT", "another sentence")
    with pytest.raises(EncoderMismatch, match="self-test"):
        WordLlamaEncoder()
