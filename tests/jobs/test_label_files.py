import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyset.errors import InvalidData, InvalidInput
from proxyset.jobs.label_files import read_labels, write_labels
from proxyset.jobs.labels import Answer

_text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
_answers = st.lists(
    st.builds(
        Answer, id=_text.filter(bool), label=_text.map(str.strip), annotator=_text.map(str.strip), hash=_text
    ),
    min_size=1,
)


@pytest.mark.parametrize("name", ["l.csv", "l.tsv", "l.json", "l.jsonl"])
@given(answers=_answers)
def test_what_is_written_is_read_again(name, answers, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / name
    write_labels(answers, path)
    assert read_labels(path) == answers


def test_columns_that_say_nothing_are_left_out(tmp_path):
    write_labels([Answer("1", "a"), Answer("2", "b")], tmp_path / "l.csv")
    assert (tmp_path / "l.csv").read_text() == "id,label\n1,a\n2,b\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("l.csv", "\ufefflabel,note,id\r\n a ,x,7\r\n\r\n,y,8\r\n"),
        ("l.json", '[{"id": 7, "label": "a", "note": 1}, {"id": "8", "label": null}]'),
        ("l.json", '{"labels": [{"id": 7, "label": "a"}, {"id": "8", "label": ""}]}'),
        ("l.jsonl", '{"id": "7", "label": "a"}\n\n{"id": 8, "label": null}\n'),
    ],
)
def test_files_as_people_write_them(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    assert read_labels(tmp_path / name) == [Answer("7", "a"), Answer("8", "")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("l.csv", "id,klass\n1,a\n", "line 2: no label, only 'id', 'klass'"),
        ("l.csv", "id,label\n1\n", "1 cells, the header has 2"),
        ("l.csv", "id,label\n,a\n", "line 2: no id"),
        ("l.csv", "id,label\n", "is empty"),
        ("l.csv", "", "is empty"),
        ("l.json", "[1]", "item 0: not an object"),
        ("l.json", "{}", "not a list of objects"),
        ("l.json", "[", "is not JSON"),
        ("l.json", '[{"id": "1", "label": ["a"]}]', "item 0, label: .* is not a text"),
        ("l.jsonl", "[]\n", "line 1: a JSON value that is not an object"),
        ("l.jsonl", '{"id": true, "label": "a"}', "line 1, id: True is not a text"),
    ],
)
def test_what_cannot_be_read_says_where(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(InvalidData, match=message):
        read_labels(tmp_path / name)


def test_the_suffix_says_the_form(tmp_path):
    with pytest.raises(InvalidInput, match=r"\.csv, \.tsv"):
        read_labels(tmp_path / "l.xlsx")
    with pytest.raises(InvalidInput, match=r"\.csv, \.tsv"):
        write_labels([Answer("1", "a")], tmp_path / "l.xlsx")
    with pytest.raises((InvalidData, OSError), match="missing"):
        read_labels(tmp_path / "missing.csv")


def test_columns_of_labels_in_other_case(tmp_path):
    (tmp_path / "x.csv").write_text("ID,Label\na,cat\n")
    (tmp_path / "x.jsonl").write_text('{"Id": "a", "LABEL": "cat"}\n')
    for name in ("x.csv", "x.jsonl"):
        assert [(answer.id, answer.label) for answer in read_labels(tmp_path / name)] == [("a", "cat")]
