"""Encoders by name: "hog", "onnx:PATH" and so on for people, an EncoderSpec for a client that got a probe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from proxyset.encoders.encoder import Encoder, EncoderSpec
from proxyset.encoders.foreign import ENCODERS, NAMES, guarded
from proxyset.encoders.function import NAME as FUNCTION
from proxyset.encoders.function import FunctionEncoder, FunctionParams, Readable
from proxyset.encoders.kept import TRAVELLING, kept
from proxyset.encoders.onnx_session import CPU
from proxyset.errors import EncoderMismatch, EncoderMissing, InvalidData, InvalidInput, first_problem
from proxyset.fingerprint import canonical_json

_AUTO = {"embedding": "embeddings", "text": "wordllama", "table": "tabular", "image": "hog"}

Params = TypeVar("Params", bound=BaseModel)


def load_encoder(
    spec: str | FunctionEncoder | Encoder, *, source: Readable | None = None, provider: str = CPU
) -> Encoder:
    """The encoder that a user asked for.

    Args:
        spec: "auto" (by the kind of `source`: embeddings, wordllama, tabular or hog), "embeddings", "hog" or
            "hog:size=28,orientations=8,cell=8,block=3,interpolation=bilinear", "onnx:FOLDER", "hf:FOLDER", "wordllama",
            "tabular" or "tabular:categories=32"; a name that an installed package offers; or "module:Class"; or a function with
            its name, or an object that encodes.
        source: the public pool. "auto" needs it, "embeddings" takes its dimension from it, "tabular" its
            statistics: never give private data here.
        provider: of ONNX Runtime, where the network of an "onnx:" or "hf:" encoder runs: "cpu", "cuda" (see
            `onnx_session.providers`). For public items alone.

    Raises:
        InvalidInput: an unknown name or option, an encoder for other items than the source's, or a provider that is not here or
            that nothing would run on.
        InvalidData: a damaged encoder folder, or a pool that is empty or has no usable column.
        EncoderMismatch: the encoder's self-test fails on this machine.
        MissingExtra: the encoder's library is not installed.
    """
    if provider != CPU and not (isinstance(spec, str) and spec.partition(":")[0] in TRAVELLING):
        raise InvalidInput(
            f"providers run the networks of onnx:FOLDER and hf:FOLDER, and this encoder has none: leave {provider!r} out"
        )
    if isinstance(spec, FunctionEncoder):
        if source is None:
            raise InvalidInput(
                f"the function {spec.name!r} is tried with an item of the pool, and none was given"
            )
        return spec.fitted(source)
    if not isinstance(spec, str):
        return _fitting(loaded(spec), source)
    name, _, rest = spec.partition(":")
    if name not in NAMES:
        return _fitting(guarded(ENCODERS.load(spec)), source)
    if name in ("auto", "embeddings", "tabular") and source is None:
        raise InvalidInput(f"the encoder {name!r} is made from a pool, and none was given")
    if name == "auto" and source is not None:
        name = _AUTO[source.kind]
    return _fitting(_load(name, rest, source, provider), source)


def _fitting(encoder: Encoder, source: Readable | None) -> Encoder:
    if source is not None and encoder.kind != source.kind:
        raise InvalidInput(
            f"the encoder {encoder.spec.name!r} takes {encoder.kind} items; this data holds {source.kind} items"
        )
    return encoder


def loaded(encoder: object) -> Encoder:
    """An object that can encode; another package's as private records may meet it.

    Raises:
        InvalidInput: it cannot, it is a function without a name, or what `foreign.guarded` refuses.
    """
    if isinstance(encoder, Encoder):
        ours = type(encoder).__module__.startswith("proxyset.")
        return encoder if ours else guarded(encoder)
    if callable(encoder):
        raise InvalidInput(
            "a function has no name that both sides could agree on: give it one, FunctionEncoder('my encoder, v1', function)"
        )
    raise InvalidInput(
        f"an encoder is a name, a FunctionEncoder or what load_encoder returns, not {type(encoder).__name__}"
    )


def encoder_for(
    spec: EncoderSpec, *, local: str | FunctionEncoder | None = None, provider: str = CPU
) -> Encoder:
    """The encoder that a probe asks for, rebuilt on this machine from the probe alone.

    Args:
        spec: as it came in the probe; nothing in it is trusted.
        local: the owner's own choice, as for `load_encoder`; "onnx:FOLDER" or "hf:FOLDER" for an encoder of files that was not
            fetched (`kept`), and a function for a probe that was made with one.
        provider: as for `load_encoder`, for the pool's side; who answers leaves it.

    Returns:
        An encoder whose fingerprint is that of `spec`.

    Raises:
        EncoderMissing: its files are not here. EncoderMismatch: it is unknown here, its parameters are invalid, or it is not
            the one at hand.
        InvalidInput, InvalidData: `local` cannot be loaded.
        MissingExtra: the encoder's library is not installed.
    """
    local = kept(spec) if local is None else local
    if spec.name == FUNCTION and isinstance(local, FunctionEncoder):
        return local.rebuilt(spec, _validated(FunctionParams, spec))
    if isinstance(local, FunctionEncoder):
        raise EncoderMismatch(
            f"the probe was made with the encoder {spec.name!r}, not with a function: leave {local.name!r} out, or ask for a "
            "probe made with it"
        )
    wanted = local.partition(":")[0] if local else "auto"
    foreign = wanted not in NAMES
    if not foreign and wanted not in ("auto", spec.name):
        raise EncoderMismatch(
            f"the probe was made with the encoder {spec.name!r} ({spec.fingerprint}), this machine is set to "
            f"{local!r}: set it to {spec.name!r}, or ask for a probe made with {wanted!r}"
        )
    if wanted == "hf" and local is not None:
        from proxyset.encoders.hub import HubEncoder, HubParams

        params = _validated(HubParams, spec)
        return HubEncoder(local.partition(":")[2], params.takes, provider=provider).agreeing(spec)
    own = local is not None and (foreign or (wanted in ("hog", "onnx") and ":" in local))
    encoder = load_encoder(local, provider=provider) if local and own else _rebuild(spec)
    ours = encoder.spec
    if ours.fingerprint != spec.fingerprint:
        raise EncoderMismatch(
            f"the probe's encoder {spec.name!r} has the fingerprint {spec.fingerprint}, this machine's "
            f"{ours.fingerprint}. First difference: {_difference(spec.model_dump(), ours.model_dump())}. "
            "Install the encoder that the probe was made with, or ask for a probe made with yours"
        )
    return encoder


def _load(name: str, rest: str, source: Readable | None, provider: str) -> Encoder:
    if name == "hog":
        from proxyset.encoders.hog import HogEncoder, HogParams

        return HogEncoder(_options(HogParams, name, rest))
    if name == "onnx":
        from proxyset.encoders.onnx import OnnxEncoder

        if not rest:
            raise InvalidInput("an ONNX encoder is named by its folder: onnx:FOLDER")
        return OnnxEncoder(Path(rest).expanduser(), provider=provider)
    if name == "hf":
        from proxyset.encoders.hub import HubEncoder

        return HubEncoder(rest, None if source is None else source.kind, provider=provider)
    if name == "tabular" and source is not None:
        from proxyset.encoders.tabular_fit import FitOptions, fit

        return fit((batch.items for batch in _batches(source)), _options(FitOptions, name, rest))
    if rest:
        raise InvalidInput(f"the encoder {name!r} has no options; {rest!r} was given")
    if name == "wordllama":
        from proxyset.encoders.text import WordLlamaEncoder

        return WordLlamaEncoder()
    from proxyset.encoders.ready import EmbeddingsEncoder

    return EmbeddingsEncoder(_dimension(source))


def _rebuild(spec: EncoderSpec) -> Encoder:
    if spec.name == "embeddings":
        from proxyset.encoders.ready import EmbeddingsEncoder

        return EmbeddingsEncoder(spec.dim)
    if spec.name == "hog":
        from proxyset.encoders.hog import HogEncoder, HogParams

        return HogEncoder(_validated(HogParams, spec))
    if spec.name == "tabular":
        from proxyset.encoders.tabular import TabularEncoder, TabularParams

        return TabularEncoder(_validated(TabularParams, spec))
    if spec.name == "wordllama":
        from proxyset.encoders.text import WordLlamaEncoder, WordLlamaParams

        _validated(WordLlamaParams, spec)
        return WordLlamaEncoder()
    if spec.name in TRAVELLING:
        raise EncoderMissing(
            f"the probe needs the ONNX encoder with the fingerprint {spec.fingerprint} (weights' SHA-256 "
            f"{str(spec.params.get('weights_sha256'))[:64]!r}), and weights do not travel in a probe: fetch it from whoever asks "
            f"(proxyset client fetch-encoder SERVER), or get its folder and name it as {spec.name}:FOLDER"
        )
    if spec.name == FUNCTION:
        name = _validated(FunctionParams, spec).function
        raise EncoderMismatch(
            f"the probe was made with a function called {name!r}, and functions do not travel: give the same one, "
            f"encoder=FunctionEncoder({name!r}, function)"
        )
    if spec.name not in NAMES and spec.name in ENCODERS.names():
        return guarded(ENCODERS.find(spec.name))
    raise EncoderMismatch(
        f"the probe's encoder {spec.name!r} is unknown to this proxyset, which has {', '.join(ENCODERS.names())}: use the version "
        "that the probe was made with, install the package that offers it, or name its class, module:Class"
    )


def _validated(model: type[Params], spec: EncoderSpec) -> Params:
    try:
        return model.model_validate_json(canonical_json(spec.params))
    except ValidationError as error:
        raise EncoderMismatch(
            f"the probe's encoder {spec.name!r} has parameters that this proxyset cannot use: {first_problem(error)}"
        ) from None


def _options(model: type[Params], name: str, rest: str) -> Params:
    """Options written as "size=28,cell=8"."""
    pairs = [option.partition("=") for option in rest.split(",")] if rest else []
    if wrong := ["".join(pair) for pair in pairs if not (pair[0] and pair[2])]:
        raise InvalidInput(f"encoder option {wrong[0]!r} is not of the form name=value")
    try:
        return model.model_validate_strings({key.strip(): value.strip() for key, _, value in pairs})
    except ValidationError as error:
        known = ", ".join(model.model_fields)
        raise InvalidInput(f"encoder {name!r}: {first_problem(error)}; its options are {known}") from None


def _batches(source: Readable) -> Iterator[Any]:
    for shard in source.shards():
        yield from source.read(shard)


def _dimension(source: Readable | None) -> int:
    for batch in _batches(source) if source is not None else ():
        shape: tuple[int, ...] = getattr(batch.items, "shape", ())
        if len(shape) == 2 and shape[0] > 0:
            return int(shape[1])
    raise InvalidData(
        "there are no embeddings to take the dimension from: the pool is empty, or not of shape (n, d)"
    )


def _difference(theirs: Any, ours: Any, at: str = "") -> str:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted({*theirs, *ours}):
            if canonical_json(theirs.get(key)) != canonical_json(ours.get(key)):
                return _difference(theirs.get(key), ours.get(key), f"{at}.{key}" if at else key)
    return f"{at} is {repr(theirs)[:100]} there, {repr(ours)[:100]} here"
