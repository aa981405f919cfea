"""Items of a proxy set as tasks of Label Studio: what an annotator sees, and what says which item it is."""

from __future__ import annotations

import base64
import io
from collections.abc import Container, Iterator
from typing import Any

from proxyset.cloud.proxy_set import ProxySet
from proxyset.encoders.images import decode, format_of
from proxyset.errors import InvalidData, InvalidInput

ID = "proxyset_id"

# A task carries its picture inline, so that it works offline and needs no file store; larger ones as a preview
_INLINE_BYTES = 64_000
_PREVIEW_SIDE = 512


def label_tasks(proxy: ProxySet, wanted: Container[str] | None = None) -> Iterator[dict[str, Any]]:
    """The tasks of a proxy set in order of rank, one at a time.

    A task is named by `data.proxyset_id` (the id) with `meta.hash` (SHA-256 of the item); `meta` also has the rest of its row
    in selection.parquet and the fingerprint of the index. Images are data URIs of the pixels that the encoder takes,
    those over 64 kB reduced to 512 pixels.

    Args:
        proxy: images or texts.
        wanted: ids to give; None gives all.

    Raises:
        InvalidInput: items that cannot be shown: tables, embeddings.
        InvalidData: an image that cannot be decoded.
    """
    check_showable(proxy)
    for row, item in zip(proxy.selection().to_pylist(), proxy.items(), strict=True):
        if wanted is None or row["id"] in wanted:
            shown = {"text": item} if proxy.card.kind == "text" else {"image": _data_uri(item, row["id"])}
            facts = {name: value for name, value in row.items() if value is not None}
            yield {"data": shown | {ID: row["id"]}, "meta": facts | {"index": proxy.card.index}}


def check_showable(proxy: ProxySet) -> None:
    """Check that an annotator can be shown the items.

    Raises:
        InvalidInput: tables, embeddings.
    """
    if proxy.card.kind not in ("image", "text"):
        raise InvalidInput(
            f"Label Studio shows images and texts; these are {proxy.card.kind} items: use csv, or `proxyset label export`"
        )


def _data_uri(data: bytes, item: str) -> str:
    try:
        picture = decode(data, "RGB")
    except InvalidData as error:
        raise InvalidData(
            f"{item!r} of the proxy set cannot be shown: {error}. Mend it in the folder items of the proxy set, or push "
            "the items before it (first)"
        ) from None
    if (
        format_of(data) == "JPEG" and len(data) <= _INLINE_BYTES
    ):  # a browser shows it upright, as it is encoded
        return _uri("jpeg", data)
    out = io.BytesIO()
    if max(picture.size) <= _PREVIEW_SIDE:
        picture.save(out, "PNG")
        if out.tell() <= _INLINE_BYTES:
            return _uri("png", out.getvalue())
        out = io.BytesIO()
    picture.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE))
    picture.save(out, "JPEG", quality=85)
    return _uri("jpeg", out.getvalue())


def _uri(form: str, data: bytes) -> str:
    return f"data:image/{form};base64,{base64.b64encode(data).decode()}"
