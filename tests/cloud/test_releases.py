import tracemalloc

import numpy as np
import pytest

from proxyset.client.calibration import privacy_statement
from proxyset.cloud.releases import ReleaseFiles
from proxyset.cloud.select import combine
from proxyset.errors import ArtifactError, InvalidInput
from proxyset.wire.release import Release

INDEX = "a" * 64


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(6):
        one = Release(rng.integers(0, 50, 4), "b" * 64, INDEX, privacy_statement(1.0))
        (tmp_path / f"{number}.safetensors").write_bytes(one.to_bytes())
    return tmp_path


def test_files_and_folders(folder):
    files = ReleaseFiles.found([folder])
    assert len(files) == 6
    assert [one.fingerprint for one in files[2:4]] == [files[2].fingerprint, files[3].fingerprint]
    named = ReleaseFiles.found([folder / "5.safetensors", folder / "0.safetensors"])
    assert named[0].fingerprint == files[5].fingerprint
    assert combine(files, INDEX, 4).sigma == pytest.approx(privacy_statement(1.0).sigma * np.sqrt(6))
    (folder / "2.safetensors").write_bytes(b"nothing")
    with pytest.raises(ArtifactError, match="not a release"):
        combine(files, INDEX, 4)
    (folder / "empty").mkdir()
    with pytest.raises(InvalidInput, match="holds no release"):
        ReleaseFiles.found([folder / "empty"])


@pytest.mark.parametrize("rule", ["capped", "robust"])
def test_memory_does_not_grow_with_the_fleet(tmp_path, monkeypatch, rule):
    """A thousand releases of 1,000 counts are 8 MB; with a twentieth of that to hold counts in, the peak is below half."""
    monkeypatch.setattr("proxyset.cloud.select.robust._HELD_BYTES", 400_000)
    rng, privacy = np.random.default_rng(0), privacy_statement(1.0)
    for number in range(1000):
        one = Release(rng.integers(0, 50, 1000), "b" * 64, INDEX, privacy)
        (tmp_path / f"{number:04d}.safetensors").write_bytes(one.to_bytes())
    files = ReleaseFiles.found([tmp_path])
    combine(files[:3], INDEX, 1000, rule=rule)  # imports
    tracemalloc.start()
    combine(files, INDEX, 1000, rule=rule)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4e6
