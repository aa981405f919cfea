"""The two looks at a pool, at the smallest; `proxyset-lab look` is the long form."""

from __future__ import annotations

from proxyset_lab.service.look import looks


def test_a_pool_is_looked_at_twice(tmp_path):
    assert all(look.core_seconds > 0 and look.mib > 10 for look in looks(tmp_path, 2000))
    assert len(list((tmp_path / "atlases").iterdir())) == 1
