"""What the tests of sources share: reading a whole source, in order and at random."""

import io
import pickle
import tarfile

import numpy as np

from proxyset.sources import fetch, open_source


def shard_by_shard(source):
    """Every shard's (ids, items, columns), read by a source that was sent to another process, so to say."""
    shards = source.shards()
    source = pickle.loads(pickle.dumps(source))
    for shard in shards:
        batches = list(source.read(shard))
        assert all(len(batch.ids) == len(batch.items) > 0 for batch in batches)
        names = batches[0].columns.keys()
        ids = [name for batch in batches for name in batch.ids]
        columns = {name: [value for batch in batches for value in batch.columns[name]] for name in names}
        if source.kind == "table":
            items = [row for batch in batches for row in batch.items.to_pylist()]
        else:
            items = [item for batch in batches for item in batch.items]
        yield ids, items, columns


def everything(source):
    """(ids, items, columns) of the whole source. Also checks that planning again gives the same plan."""
    parts = list(shard_by_shard(source))
    assert [shard.number for shard in source.shards()] == list(range(len(parts)))
    ids = [name for part in parts for name in part[0]]
    items = [item for part in parts for item in part[1]]
    columns = {name: [value for part in parts for value in part[2][name]] for name in parts[0][2]}
    return ids, items, columns


def plan(path, items):
    """The only shard of the source at `path`, which shall have at most `items` items."""
    (shard,) = open_source(path, shard_size=items).shards()
    return shard


def read_through(path, items):
    """Read every batch of the source at `path`, one after the other, and hold none."""
    source, count = open_source(path, shard_size=items), 0
    for shard in source.shards():
        for batch in source.read(shard):
            count += len(batch.items)
            del batch
    assert count == items


def fetched(source, chosen):
    """id → item of the chosen ids, found by reading which shard has them."""
    wanted = {}
    for number, (ids, _, _) in enumerate(shard_by_shard(source)):
        if picked := [name for name in ids if name in chosen]:
            wanted[number] = picked
    return dict(fetch(source, wanted))


def same(left, right):
    """Equality that also does for arrays."""
    return np.array_equal(left, right) if isinstance(left, np.ndarray) else left == right


def tar_of(members):
    """The bytes of a tar file with these members (name → bytes)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
