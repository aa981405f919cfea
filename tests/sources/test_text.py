import csv
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxyset.errors import InvalidData
from proxyset.sources import fetch, open_source
from proxyset.sources.delimited import read_header
from proxyset.sources.lines import MAX_LINE_BYTES

from ..peak import peak_bytes
from .reading import everything, fetched, plan, read_through

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12)
EMPTY = {"label": None, "source": None, "uri": None, "licence": None}


def kept(rows, **columns):
    return {**{name: [None] * rows for name in EMPTY}, **columns}


def test_json_lines_with_bom_crlf_and_empty_lines(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"text": "a\\n", "url": "u"}\r\n\r\n  \n'
        b'{"text": "\xc3\xa9", "license": "CC0", "label": 3}\n'
    )
    source = open_source(path)
    assert source.kind == "text"
    assert everything(source) == (
        ["0", "1"],
        ["a\n", "é"],
        kept(2, uri=["u", None], licence=[None, "CC0"], label=[None, "3"]),
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(TEXTS, min_size=1, max_size=20),
    st.integers(1, 7),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
)
def test_json_lines_of_any_text_in_shards_of_any_size(tmp_path_factory, texts, size, escaped, end):
    path = tmp_path_factory.mktemp("any") / "x.ndjson"
    lines = [
        json.dumps({"text": text, "id": f"n{row}"}, ensure_ascii=escaped) for row, text in enumerate(texts)
    ]
    path.write_bytes(end.join(lines).encode())
    source = open_source(path, shard_size=size)
    ids, items, _ = everything(source)
    assert items == texts
    assert ids == [f"n{row}" for row in range(len(texts))]
    assert len(source.shards()) == -(-len(texts) // size)
    assert fetched(source, {ids[-1]}) == {ids[-1]: texts[-1]}


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=20),
    st.integers(1, 7),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([("csv", ","), ("tsv", "\t")]),
    st.sampled_from(["utf-8", "utf-8-sig"]),
)
@example([('a\n"b"\r\n', ","), ("\n\n", "\n")], 1, "\n", ("csv", ","), "utf-8")
def test_csv_of_any_text_in_shards_of_any_size(tmp_path_factory, rows, size, end, form, encoding):
    suffix, delimiter = form
    path = tmp_path_factory.mktemp("any") / f"x.{suffix}"
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
        writer.writerow(["label", "text", "other"])
        writer.writerows([label, text, "."] for text, label in rows)
    source = open_source(path, shard_size=size)
    ids, items, columns = everything(source)
    assert items == [text for text, _ in rows]
    assert ids == [str(row) for row in range(len(rows))]
    assert columns == {"label": [label or None for _, label in rows]}
    assert len(source.shards()) == -(-len(rows) // size)


def test_rows_are_numbered_over_all_files_of_a_folder(tmp_path):
    (tmp_path / "sub").mkdir()
    for name, text in {"a.csv": "text\nx\ny\n", "b.csv": "text\n", "sub/c.csv": "text\nz\n"}.items():
        (tmp_path / name).write_text(text)
    source = open_source(tmp_path, shard_size=1)
    assert everything(source)[:2] == (["0", "1", "2"], ["x", "y", "z"])
    assert dict(fetch(source, {2: ["2"]})) == {"2": "z"}


def test_files_with_another_header_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\nx,1\n")
    (tmp_path / "b.csv").write_text("label,text\n1,x\n")
    with pytest.raises(InvalidData, match=r"b\.csv has the columns \['label', 'text'\], the first file has"):
        open_source(tmp_path).shards()


def test_columns_that_were_asked_for(tmp_path):
    (tmp_path / "x.csv").write_text("id,person,text,url\n7,ann,hello,u\n8,,bye,\n")
    source = open_source(tmp_path / "x.csv", columns=["person", "url"])
    columns = {"uri": ["u", None], "person": ["ann", None], "url": ["u", None]}
    assert everything(source) == (["7", "8"], ["hello", "bye"], columns)
    (tmp_path / "x.jsonl").write_text(
        '{"text": "a", "person": 5}\n{"text": null, "person": {"a": [1]}}\n{"text": "c"}\n'
    )
    source = open_source(tmp_path / "x.jsonl", columns=["person"])
    assert everything(source)[1:] == (["a", "", "c"], kept(3, person=["5", '{"a": [1]}', None]))
    for name in ("x.csv", "x.jsonl"):
        with pytest.raises(InvalidData, match=r"has no column 'nobody'; its columns are: .*person"):
            open_source(tmp_path / name, columns=["nobody"])


def test_caption_is_a_text_but_does_not_make_a_table_one(tmp_path):
    (tmp_path / "x.csv").write_text("caption,n\na,1\n")
    assert open_source(tmp_path / "x.csv").kind == "table"
    assert everything(open_source(tmp_path / "x.csv", kind="text"))[1] == ["a"]
    (tmp_path / "x.jsonl").write_text('{"caption": "a"}')
    assert everything(open_source(tmp_path / "x.jsonl"))[1] == ["a"]


JSON_PROBLEMS = [
    (b"", "is empty"),
    (b"\n \n", "is empty"),
    (b'{"n": 1}\n', "has no column 'text' or 'caption'; it has: n"),
    (b'{"text": "a"}\n{"text": \n', "line 2: not valid JSON"),
    (b'{"text": "a"}\n["b"]\n', "line 2: a JSON value that is not an object"),
    (b'{"text": "a"}\n{"txt": "b"}\n', "line 2: 'text' is missing"),
    (b'{"text": "a"}\n{"text": 5}\n', "line 2: 'text' is missing or not a text"),
    (b'{"text": "a", "id": "x"}\n{"text": "b"}\n', "line 2: the id is empty"),
    (b'{"text": "a", "id": "x"}\n{"text": "b", "id": ""}\n', "line 2: the id is empty"),
    (b'{"text": "a", "id": "x"}\n{"text": "b", "id": "x"}\n', "the id 'x' appears twice"),
    (b'{"text": "a", "id": "x\\u0000"}\n', "control characters"),
    (b'{"text": "a"}\n{"text": "\xff"}\n', "line 2: not UTF-8 at byte 10"),
    (b'{"text": "a"}\n{"text": "\\ud800"}\n', "line 2: not valid JSON .*surrogates"),
    (b'{"text": "a\0"}\n', "line 1: a NUL byte"),
    (b'{"text": "a"}\n{"text": "b", "n": ' + b"9" * 5000 + b"}\n", "line 2: not valid JSON .*digit"),
    (b'{"text": "a"}\n{"text": "b", "n": ' + b"[" * 200_000 + b"\n", "line 2: not valid JSON"),
    (b'{"text": "' + b"a" * MAX_LINE_BYTES + b'"}', "line 1: over 16 MiB"),
    ('{"text": "a"}'.encode("utf-16"), "line 1: "),
]


@pytest.mark.parametrize(("data", "message"), JSON_PROBLEMS, ids=[message for _, message in JSON_PROBLEMS])
def test_bad_json_lines(tmp_path, data, message):
    path = tmp_path / "x.jsonl"
    path.write_bytes(data)
    with pytest.raises(InvalidData, match=message):
        everything(open_source(path))


CSV_PROBLEMS = [
    (b"", "is empty: it has no header"),
    (b"\n\n", "is empty: it has no header"),
    (b"text,label\n", "is empty: it has no records"),
    (b"text,label\r\n\r\n", "is empty: it has no records"),
    (b"text,text\na,b\n", "more than one column named 'text'"),
    (b"text,label\na,b\nc\n", "line 3: 1 cells, the header has 2"),
    (b'text,label\n"a\nb",c\nd,e,f\n', "line 4: 3 cells, the header has 2"),
    (b'text,label\na,b\n"c,d\ne,f\n', "line 3: not valid CSV .*quotes"),
    (b'text,label\n"a"b,c\n', "line 2: not valid CSV"),
    (b"text,label\ra,b\rc,d\r", "line 1: not valid CSV"),
    (b"text\n\xe9\n", "line 2: not UTF-8"),
    (b"text\na\0b\n", "line 2: a NUL byte"),
    (b"text\n" + b"a" * MAX_LINE_BYTES + b"\n", "line 2: over 16 MiB"),
    (b"id,text\n1,a\n,b\n", "line 3: the id is empty"),
    (b"id,text\n1,a\n1,b\n", "the id '1' appears twice"),
]


@pytest.mark.parametrize(("data", "message"), CSV_PROBLEMS, ids=[message for _, message in CSV_PROBLEMS])
def test_bad_csv(tmp_path, data, message):
    path = tmp_path / "x.csv"
    path.write_bytes(data)
    with pytest.raises(InvalidData, match=message):
        everything(open_source(path, kind="text"))


@pytest.mark.parametrize(
    "change", ["", "text\nlonger than before\nb\nc\nd\n", 'text\n"\n"\n"\n"\nb\n', "text\na\n"]
)
def test_a_file_that_changed_after_the_plan_is_noticed(tmp_path, change):
    path = tmp_path / "x.csv"
    path.write_text("text\na\nb\nc\nd\n")
    source = open_source(path, shard_size=3)
    shards = source.shards()
    path.write_text(change)
    with pytest.raises(InvalidData, match=r"has changed|quotes"):
        for shard in shards:
            list(source.read(shard))


def test_memory_is_that_of_a_batch(tmp_path):
    """55 MB of texts in one shard, read in batches of 16,384 (18 MB), two at a time at most."""
    path = tmp_path / "x.jsonl"
    with path.open("w") as file:
        for row in range(50_000):
            file.write(json.dumps({"id": str(row), "text": "x" * 1000}) + "\n")
    assert peak_bytes(plan, path, 50_000) < 2e6
    assert peak_bytes(read_through, path, 50_000) < 45e6


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("1,anna,30", None),
        ("39,State-gov,77516,13", None),
        ("5.1,3.5,setosa", None),
        ("1,2,3", None),
        ("id,2019,2020", ("id", "2019", "2020")),
        ("label,0,1,2", ("label", "0", "1", "2")),
        ("a,1,2,3", ("a", "1", "2", "3")),
        ('"Price; net",b', ("Price; net", "b")),
        ('"Price, net";b', ("Price, net", "b")),
    ],
)
def test_what_is_a_header(tmp_path, header, names):
    (tmp_path / "x.csv").write_text(header + "\n")
    if names:
        assert read_header(tmp_path / "x.csv") == names
    else:
        with pytest.raises(InvalidData, match="its first line has numbers"):
            read_header(tmp_path / "x.csv")


def test_encodings_and_line_ends_are_named(tmp_path):
    for data, why in ((b"a,b\r1,2\r", "carriage returns alone"), ("a,b\n1,2\n".encode("utf-16"), "UTF-16")):
        (tmp_path / "x.csv").write_bytes(data)
        with pytest.raises(InvalidData, match=why):
            open_source(tmp_path / "x.csv")
