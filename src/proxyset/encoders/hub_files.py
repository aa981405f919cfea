"""What the files of a hub folder say: which network, how an item becomes its input, how its output becomes one vector.

Read are the files that sentence-transformers, optimum and onnx-community write. What they leave open is refused, never guessed:
a wrong pooling gives features that look like features.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from proxyset.encoders.onnx_recipe import Preprocessing, read
from proxyset.errors import InvalidData, InvalidInput, first_problem

CONFIGURATION = (
    "config.json",
    "config_sentence_transformers.json",
    "modules.json",
    "preprocessor_config.json",
    "sentence_bert_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
)  # all that is read here, beside the network and a module's config.json
MOST_TOKENS = 8192  # of a text that are read
_LARGEST_FILE = 64 << 20
_VARIANTS = (
    "",
    "_fp16",
    "_int8",
    "_quantized",
    "_uint8",
    "_q4",
    "_q4f16",
    "_bnb4",
)  # the first that is there
_NETWORKS = {"text": ("model", "text_model"), "image": ("vision_model", "model")}
_POOLINGS = {
    "cls": "cls",
    "cls_token": "cls",
    "mean": "mean",
    "mean_tokens": "mean",
    "max": "max",
    "max_tokens": "max",
    "mean_sqrt_len": "mean_sqrt_len",
    "mean_sqrt_len_tokens": "mean_sqrt_len",
    "lasttoken": "last",
    "last_token": "last",
}
_FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")  # by PIL's number
_FROM_ONE_TOKEN = ("vit", "deit", "dinov2", "dinov2_with_registers", "dinov3_vit", "beit")  # model types

Kind = Literal["image", "text"]
HubPooling = Literal["none", "cls", "mean", "max", "mean_sqrt_len", "last"]


class Pooling(BaseModel):
    """How tokens become one vector.

    Attributes:
        mode: None leaves it to the network's own output.
        normalize: to length 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    mode: HubPooling | None = None
    normalize: bool = False


class TextSteps(BaseModel):
    """From a text to tokens.

    Attributes:
        prompt: put before every text.
        lower: whether the text is made lower case first.
        tokens: how many are read, special ones included.
        characters: of the text that are read.
        pad_id: fills a text up to `tokens` where the network takes no mask; None where it does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    prompt: str = ""
    lower: bool = False
    tokens: int = Field(ge=2, le=MOST_TOKENS)
    characters: int = Field(ge=1, le=1 << 20)
    pad_id: int | None = None


def network_file(place: Path, takes: Kind) -> tuple[Path, Path]:
    """The folder, and its network for items of a kind: `place` is the folder, or the ONNX file in it that is meant.

    Raises:
        InvalidInput: there is no such folder, or no ONNX file for that kind in it.
    """
    if place.suffix == ".onnx":
        if not place.is_file():
            raise InvalidInput(f"there is no file {place}")
        return (place.parent.parent if place.parent.name == "onnx" else place.parent), place
    names = [f"{name}{variant}.onnx" for name in _NETWORKS[takes] for variant in _VARIANTS]
    for name in (*(f"onnx/{name}" for name in names), *names):
        if (place / name).is_file():
            return place, place / name
    what = "is no folder" if not place.is_dir() else f"holds no ONNX network for {takes} items"
    raise InvalidInput(
        f"{place} {what}: an encoder of the hub is a folder with onnx/{names[0]} (or the like) and its configuration; for a model "
        "without ONNX files, optimum writes them"
    )


def kinds_of(folder: Path) -> tuple[Kind, ...]:
    """The kinds of items that a folder has what it needs for."""
    found: list[Kind] = []
    if (folder / "tokenizer.json").is_file():
        found.append("text")
    if (folder / "preprocessor_config.json").is_file():
        found.append("image")
    return tuple(found)


def pooling_of(folder: Path) -> Pooling:
    """As `modules.json` and `1_Pooling/config.json` say; with neither, the network's own output.

    Raises:
        InvalidData: a file is damaged, or asks for a step that is not known here.
    """
    if not (folder / "modules.json").is_file():
        at = folder / "1_Pooling" / "config.json"
        return Pooling(mode=_mode(_json(at), at)) if at.is_file() else Pooling()
    mode: HubPooling | None = None
    normalize = False
    for module in _list(_json(folder / "modules.json")):
        kind = str(module.get("type")).rpartition(".")[2]
        if kind == "Pooling":
            at = folder / str(module.get("path") or "") / "config.json"
            if folder.resolve() not in at.resolve().parents:
                raise InvalidData(f"{folder / 'modules.json'} names a file outside of its folder: {at}")
            mode = _mode(_json(at), at)
        elif kind == "Normalize":
            normalize = True
        elif kind != "Transformer":
            raise InvalidData(
                f"{folder / 'modules.json'} has the step {kind!r}; known are Transformer, Pooling and Normalize: export the whole "
                "model as one ONNX network, or use an encoder function (docs/encoders.md)"
            )
    return Pooling(mode=mode, normalize=normalize)


def text_steps(folder: Path, characters: int, masked: bool) -> TextSteps:
    """As the tokenizer's and the model's configuration say.

    Args:
        characters: of a text that are read.
        masked: whether the network takes an attention mask.

    Raises:
        InvalidData: a file is damaged, or how many tokens the network takes, or how it is padded, is said nowhere.
    """
    tokenizer, sentences = (
        _optional(folder / "tokenizer_config.json"),
        _optional(folder / "sentence_bert_config.json"),
    )
    config = _optional(folder / "config.json")
    lengths = (
        sentences.get("max_seq_length"),
        tokenizer.get("model_max_length"),
        config.get("max_position_embeddings"),
        _mapping(config.get("text_config")).get("max_position_embeddings"),
    )
    tokens = next((length for length in lengths if _is_length(length)), None)
    if tokens is None:
        raise InvalidData(
            f"{folder}: how many tokens the network takes is said nowhere: neither max_seq_length in sentence_bert_config.json nor "
            "model_max_length in tokenizer_config.json"
        )
    prompts = _optional(folder / "config_sentence_transformers.json")
    prompt = str(_mapping(prompts.get("prompts")).get(str(prompts.get("default_prompt_name")), ""))
    pad_id = None if masked else _pad_id(folder, tokenizer)
    return TextSteps(
        prompt=prompt,
        lower=sentences.get("do_lower_case") is True,
        tokens=min(int(tokens), MOST_TOKENS),
        characters=characters,
        pad_id=pad_id,
    )


def picture_steps(folder: Path, layout: Literal["NCHW", "NHWC"], dtype: str) -> Preprocessing:
    """As `preprocessor_config.json` says.

    Raises:
        InvalidData: it is missing, damaged, or has a step that is not known here.
    """
    at = folder / "preprocessor_config.json"
    config = _mapping(_json(at))
    for step in ("do_pad", "do_thumbnail", "do_align_long_axis", "do_flip_channel_order", "do_reduce_labels"):
        if config.get(step):
            raise InvalidData(f"{at} has the step {step}, which is not known here")
    height, width, shorter = _size(config, at)
    number = config.get("resample", 2)
    if number not in range(len(_FILTERS)):
        raise InvalidData(f"{at}: resample is {number!r}, not a number below {len(_FILTERS)}")
    normalize = config.get("do_normalize", True)
    found = {
        "size": [height, width],
        "resize": "stretch" if shorter is None else "crop",
        "shorter_side": shorter,
        "interpolation": _FILTERS[number],
        "scale": float(config.get("rescale_factor", 1 / 255)) if config.get("do_rescale", True) else 1.0,
        "mean": [float(each) for each in config.get("image_mean", ())] if normalize else [0.0] * 3,
        "std": [float(each) for each in config.get("image_std", ())] if normalize else [1.0] * 3,
        "layout": layout,
        "dtype": dtype,
    }
    try:
        return Preprocessing.model_validate_json(json.dumps(found))
    except ValidationError as error:
        raise InvalidData(f"{at}: {first_problem(error, 'the file')}") from None


def picture_pooling(folder: Path) -> HubPooling | None:
    """Of a network that gives one vector for every patch and no vector for the picture: the first, where its type says so."""
    kind = _optional(folder / "config.json").get("model_type")
    return "cls" if kind in _FROM_ONE_TOKEN else None


def _size(config: dict[str, Any], at: Path) -> tuple[int, int, int | None]:
    """Height, width, and what the shorter side is scaled to before they are cut out of the middle (None: stretched)."""
    cut = config.get("crop_size") if config.get("do_center_crop") else None
    size = config.get("size") if config.get("do_resize", True) else None
    shorter = size if isinstance(size, int) and cut is not None else _mapping(size).get("shortest_edge")
    if cut is not None:
        height, width = _sides(cut, at, "crop_size")
        if shorter is None:
            raise InvalidData(
                f"{at}: pictures are stretched to {size!r} and then cut, which is not known here"
            )
        return height, width, int(shorter)
    if shorter is not None:  # ConvNeXt's: scaled by crop_pct, then cut
        side = int(shorter)
        return side, side, int(side / float(config.get("crop_pct") or 1.0))
    height, width = _sides(size, at, "size")
    return height, width, None


def _sides(value: Any, at: Path, name: str) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    sides = _mapping(value)
    if not isinstance(sides.get("height"), int) or not isinstance(sides.get("width"), int):
        raise InvalidData(f"{at}: {name} is {value!r}, not a number of pixels, nor a height and a width")
    return sides["height"], sides["width"]


def _mode(config: Any, at: Path) -> HubPooling:
    found = _mapping(config)
    named = found.get("pooling_mode")
    names = [named] if isinstance(named, str) else named if isinstance(named, list) else None
    if names is None:
        names = [
            key.removeprefix("pooling_mode_")
            for key, on in found.items()
            if key.startswith("pooling_mode_") and on is True
        ]
    known = [_POOLINGS.get(name) for name in names if isinstance(name, str)]
    if len(known) != 1 or known[0] is None:
        raise InvalidData(
            f"{at} pools by {names}; one of {', '.join(sorted(set(_POOLINGS.values())))} is known here"
        )
    if found.get("include_prompt") is False:
        raise InvalidData(f"{at} leaves the prompt's tokens out of the pooling, which is not known here")
    return known[0]  # type: ignore[return-value]


def _pad_id(folder: Path, tokenizer: dict[str, Any]) -> int:
    """The token that fills up a text, for a network that takes no mask."""
    token = tokenizer.get("pad_token")
    name = str(_mapping(token).get("content")) if isinstance(token, dict) else str(token)
    added = _list(_mapping(_json(folder / "tokenizer.json")).get("added_tokens") or [])
    for each in added:
        if each.get("content") == name and isinstance(each.get("id"), int):
            return int(each["id"])
    raise InvalidData(
        f"{folder}: the network takes no attention mask, and which token fills a text up is said nowhere (pad_token)"
    )


def _is_length(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 2 <= value < 1 << 20


def _optional(path: Path) -> dict[str, Any]:
    return _mapping(_json(path)) if path.is_file() else {}


def _json(path: Path) -> Any:
    try:
        return json.loads(read(path, _LARGEST_FILE))
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"{path} is no JSON: {error}") from None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> Iterable[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
