import pytest

from proxyset.errors import InvalidData
from proxyset.jobs.label_studio.pull import _earlier, answers_of, choice
from proxyset.jobs.label_studio.server import Task
from proxyset.jobs.labels import Answer


def annotation(label, who=1, when="2026-01-01T00:00:00Z", **more):
    result = [{"type": "choices", "value": {"choices": [label] if label else []}}]
    return {"id": 9, "task": 4, "result": result, "completed_by": who, "updated_at": when, **more}


def test_what_an_annotation_chose():
    assert choice(annotation("owl")) == "owl"
    assert choice(annotation("owl", was_cancelled=True)) == ""
    assert choice(annotation("")) == choice({"result": []}) == choice({}) == ""
    assert choice({"result": [{"value": {"text": ["a remark"]}}, *annotation("owl")["result"]]}) == "owl"
    two = {"id": 9, "task": 4, "result": [{"value": {"choices": ["owl", "hawk"]}}]}
    with pytest.raises(InvalidData, match="annotation 9 of task 4 chose 2 classes"):
        choice(two)


def test_of_each_annotator_the_last_answer():
    first = Task(
        1, "x.png", "h", "i", "", (annotation("owl", 1, "2026-01-02"), annotation("hawk", 1, "2026-01-01"))
    )
    twin = Task(2, "x.png", "h", "i", "", (annotation("gull", 2), annotation("hawk", 7, was_cancelled=True)))
    assert answers_of([first, twin], {1: "a@example.org"}) == [
        Answer("x.png", "owl", "a@example.org", "h"),
        Answer("x.png", "gull", "user 2", "h"),
    ]


def test_the_only_form_of_a_time_that_the_server_reads():
    assert _earlier(None) is None
    assert _earlier("2026-01-01T00:01:00+00:00") == "2025-12-31T23:59:00.000000Z"
    assert _earlier("2026-01-01T01:03:00.25+01:00") == "2026-01-01T00:01:00.250000Z"
