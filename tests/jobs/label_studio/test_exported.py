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


SHOWN = '<View><Image name="image" value="$image"/>'
CHOICES = SHOWN + '<Choices name="label" toName="image"><Choice value="owl"/></Choices></View>'
TAXONOMY = SHOWN + '<Taxonomy name="label" toName="image"><Choice value="bird"/></Taxonomy></View>'


@pytest.mark.parametrize(
    ("config", "value", "label"),
    [
        (CHOICES, {"choices": ["owl"]}, "owl"),
        (TAXONOMY, {"taxonomy": [["bird", "owl"]]}, "bird / owl"),
        (CHOICES, {"choices": ["owl", "cat"]}, None),
    ],
)
@pytest.mark.parametrize("small", [True, False])
def test_what_label_studio_writes_is_read(tmp_path, config, value, label, small):
    result = {"from_name": "label", "to_name": "image", "type": next(iter(value)), "value": value}
    done = annotation("owl", 5) | {
        "id": 8,
        "result": [result],
        "created_at": "2024",
        "lead_time": 1.0,
        "was_cancelled": False,
    }
    task = {"id": 3, "data": {"proxyset_id": "7", "image": "x"}, "meta": {"hash": "h"}, "annotations": [done]}
    path = tmp_path / "x.json"
    path.write_text(json.dumps([task]))
    if small:
        converter = pytest.importorskip("label_studio_sdk.converter")
        converter.Converter(config, str(tmp_path)).convert_to_json_min(
            str(path), str(tmp_path / "out"), is_dir=False
        )
        path = tmp_path / "out" / "result.json"
    assert is_export(path)
    if label is None:
        with pytest.raises(InvalidData, match="chose 2 classes"):
            read_export(path)
    else:
        (answer,) = read_export(path)
        assert (answer.id, answer.label) == ("7", label)
