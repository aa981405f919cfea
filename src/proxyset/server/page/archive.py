"""A proxy set to carry away: the folder itself or one of the export forms, as one file."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

from proxyset.atomic import room_for
from proxyset.cloud.export import FORMS, export
from proxyset.cloud.proxy_set import ProxySet
from proxyset.errors import InvalidInput

_ENDINGS = {"parquet": ".parquet", "csv": ".csv", "label-studio": ".json"}  # the others are folders


def pack(proxy: ProxySet, form: str, name: str) -> tuple[tempfile.TemporaryDirectory[str], Path]:
    """Write one file, in a temporary folder that the caller removes.

    Args:
        proxy: the proxy set.
        form: "zip" for the proxy set as it is, or a form of `cloud.export`; folders are zipped.
        name: what the file is called, without its ending.

    Raises:
        InvalidInput: an unknown form, or one that these items cannot take.
    """
    if form != "zip" and form not in FORMS:
        raise InvalidInput(f"unknown form {form!r}: choose zip or one of {', '.join(sorted(FORMS))}")
    place = tempfile.TemporaryDirectory(prefix="proxyset-")
    folder = Path(place.name)
    try:
        if form == "zip":
            return place, _zip(proxy.folder, folder / f"{name}.zip", name)
        if form in _ENDINGS:
            file = folder / f"{name}{_ENDINGS[form]}"
            export(proxy, form, file)
            return place, file
        export(proxy, form, folder / "out")
        return place, _zip(folder / "out", folder / f"{name}-{form}.zip", name)
    except BaseException:
        place.cleanup()
        raise


def _zip(source: Path, file: Path, name: str) -> Path:
    # pictures and Parquet are compressed already
    with (
        room_for(f"{tempfile.gettempdir()} (TMPDIR)"),
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
    ):
        for path in sorted(source.rglob("*")):
            if path.is_file():
                archive.write(path, f"{name}/{path.relative_to(source).as_posix()}")
    return file
