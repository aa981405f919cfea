import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyset.cloud.proxy_set import select
from proxyset.errors import InvalidData, InvalidInput
from proxyset.jobs.labels import Answer, _majority, match_labels


@pytest.fixture
def ids(words):
    return words[1].selection().column("id").to_pylist()


def test_labels_come_in_order_of_rank(words, ids):
    _, proxy, truth = words
    answers = [Answer(item, truth[item]) for item in reversed(ids)]
    found = match_labels(answers, proxy, classes=["c", "b", "a", "never"])
    assert found.ids == tuple(ids)
    assert found.rows.tolist() == list(range(40))
    assert found.labels == tuple(truth[item] for item in ids)
    assert found.classes == ("c", "b", "a", "never") and found.counts["never"] == 0
    assert sum(found.counts.values()) == len(found) == 40
    assert match_labels(answers, proxy, complete=True).classes == ("a", "b", "c")


def test_majority_ties_and_unlabeled(words, ids):
    _, proxy, _ = words
    answers = [Answer(ids[0], "a", "x"), Answer(ids[0], "b", "y"), Answer(ids[0], "a", "z")]
    answers += [
        Answer(ids[1], "a", "x"),
        Answer(ids[1], "b", "y"),
        Answer(ids[2], "", "x"),
        Answer(ids[3], "b"),
    ]
    found = match_labels(answers, proxy)
    assert (found.ids, found.labels, found.ties) == ((ids[0], ids[3]), ("a", "b"), (ids[1],))
    assert found.unlabeled == (ids[2], *ids[4:])
    with pytest.raises(InvalidData, match=r"37 of 40 items have no label.*1 have a tie"):
        match_labels(answers, proxy, complete=True)


def test_a_smaller_proxy_set_of_the_same_pool_takes_what_is_its_own(words, ids, tmp_path):
    index, _, truth = words
    smaller = select(index, [], tmp_path / "proxy", budget=25, strategy="random")
    answers = [Answer(item, truth[item]) for item in ids]
    found = match_labels(answers, smaller)
    assert len(found) == 25 and len(found.elsewhere) == 15
    fewest = select(index, [], tmp_path / "fewest", budget=10, strategy="random")
    with pytest.raises(InvalidData, match="only 10 of the 40"):
        match_labels(answers, fewest)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (
            [("0", "kat"), ("1", "dog")],
            r"1 labels are not in the class list: 'kat' \(1 times; did you mean 'cat'",
        ),
        ([("0", "cat"), ("1", "cat")], "all 2 labeled items have the same class, 'cat'"),
        ([("0", ""), ("1", "")], "none of the 120 items has a label"),
        ([("0", "cat"), ("0", "dog"), ("1", "dog")], "two labels by the same annotator, such as '0'"),
        ([("x/1.png", "cat"), ("x/2.png", "dog")], "none of the 2 labeled ids .* labels of another project"),
        ([("0", "cat"), ("x", "dog"), ("y", "dog")], "only 1 of the 3 labeled ids"),
    ],
)
def test_bad_labels_are_told_apart(words, tmp_path, answers, message):
    index, _, _ = words
    whole = select(index, [], tmp_path / "whole", budget=120, strategy="random")
    with pytest.raises(InvalidData, match=message):
        match_labels([Answer(*answer) for answer in answers], whole, classes=["cat", "dog"])


def test_same_ids_with_other_content_are_another_project(words, ids):
    _, proxy, _ = words
    hashes = proxy.selection().column("hash").to_pylist()
    answers = [Answer(ids[0], "a", hash=hashes[0]), Answer(ids[1], "b", hash=hashes[2])]
    with pytest.raises(InvalidData, match=r"1 of 2 labels .* other content"):
        match_labels(answers, proxy)


@pytest.mark.parametrize("classes", [[], ["one"], ["a", " "], ["a", "b", "a "]])
def test_a_class_list_has_two_names_or_more(words, ids, classes):
    with pytest.raises(InvalidInput, match="class list"):
        match_labels([Answer(ids[0], "a")], words[1], classes=classes)


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=9))
def test_the_majority_is_strict(labels):
    names, counts = np.unique(labels, return_counts=True)
    best = names[counts == counts.max()]
    assert _majority(labels) == (best[0] if len(best) == 1 else None)
