import pytest

from proxyset.cloud import unique_ids
from proxyset.cloud.unique_ids import check_unique
from proxyset.errors import InvalidData


@pytest.mark.parametrize("bucket", [1 << 20, 64, 1])
@pytest.mark.parametrize("repeated", [None, 0, 37, 998])
def test_a_repeated_id_is_named(monkeypatch, bucket, repeated):
    monkeypatch.setattr(unique_ids, "_BUCKET", bucket)
    ids = [f"item-{i}" for i in range(300)]
    parts = [ids[:100], [], ids[100:250], ids[250:]]
    if repeated is None:
        check_unique(lambda: iter(parts), 300)
        return
    parts.append([ids[repeated % 300]])
    with pytest.raises(InvalidData, match=f"'item-{repeated % 300}' occurs more than once"):
        check_unique(lambda: iter(parts), 301)


def test_equal_hashes_of_different_ids_are_no_repetition(monkeypatch):
    monkeypatch.setattr(unique_ids, "hash", len, raising=False)
    check_unique(lambda: iter([["a", "b"], ["c", "dd"]]), 4)
