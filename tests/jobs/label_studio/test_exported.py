import json

import pytest

from proxyset.errors import InvalidData
from proxyset.jobs.label_studio.exported import is_export, read_export
from proxyset.jobs.labels import Answer
from tests.jobs.label_studio.test_pull import annotation


def test_an_export_is_told_from_a_file_of_labels(tmp_path):
    path = tmp_path / "x.json"
    for content in ("[]", "{}", "[", '[{"id": "1", "label": "a"}]', '[{"data": {}, "annotations": 3}]'):
        path.write_text(content)
        assert not is_export(path)
    assert not is_export(tmp_path / "x.csv")
    task = {
        "id": 3,
        "data": {"proxyset_id": "1"},
        "meta": {"hash": "h"},
        "annotations": [annotation("owl", 5)],
    }
    path.write_text(
        json.dumps([task, {**task, "data": {"proxyset_id": "2"}, "meta": None, "annotations": []}])
    )
    assert is_export(path)
    assert read_export(path) == [Answer("1", "owl", "user 5", "h")]
    path.write_text(json.dumps([{**task, "data": {"image": "x"}}]))
    with pytest.raises(InvalidData, match="task 3 has no proxyset_id"):
        read_export(path)
