from hypothesis import given
from hypothesis import strategies as st

from proxyset.jobs.label_studio import push


@given(st.lists(st.integers(0, 30), max_size=40), st.integers(1, 7))
def test_chunks_keep_order_and_are_small(sizes, most):
    tasks = [{"data": {"text": "x" * size, "proxyset_id": ""}} for size in sizes]
    limit, push._CHUNK_BYTES = push._CHUNK_BYTES, 50
    try:
        chunks = list(push._chunks(tasks, most))
    finally:
        push._CHUNK_BYTES = limit
    assert [task for chunk in chunks for task in chunk] == tasks
    assert all(0 < len(chunk) <= most for chunk in chunks)
    assert all(sum(len(task["data"]["text"]) for task in chunk) <= 50 for chunk in chunks)
