"""Train on a public proxy of data that must not leave its owner.

index = proxyset.build_index(pool, clusters=100)                                         # cloud: arrays, frames, folders
release = proxyset.answer(index.probe(), private, epsilon=0.58, dataset="ward 3")        # client
proxy = proxyset.select(index, release, budget=1000)                                     # cloud
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__: str

if TYPE_CHECKING:
    from proxyset.client.adapt import adapt_to_client as adapt_to_client
    from proxyset.client.answer import answer as answer
    from proxyset.client.labeling import answer_questions as answer_questions
    from proxyset.client.ledger import Ledger as Ledger
    from proxyset.cloud.build import build_index as build_index
    from proxyset.cloud.curation import Curation as Curation
    from proxyset.cloud.export import export as export
    from proxyset.cloud.index import Index as Index
    from proxyset.cloud.label_questions import ask_labels as ask_labels
    from proxyset.cloud.label_questions import collect_labels as collect_labels
    from proxyset.cloud.proxy_set import ProxySet as ProxySet
    from proxyset.cloud.proxy_set import select as select
    from proxyset.cloud.select.rank import rank as rank
    from proxyset.encoders import FunctionEncoder as FunctionEncoder
    from proxyset.encoders import load_encoder as load_encoder
    from proxyset.errors import ProxysetError as ProxysetError
    from proxyset.errors import Refused as Refused
    from proxyset.sources import open_source as open_source
    from proxyset.transport.transport import Transport as Transport
    from proxyset.wire.probe import Probe as Probe
    from proxyset.wire.release import PrivacyStatement as PrivacyStatement
    from proxyset.wire.release import Release as Release

_HOMES = {
    "Curation": "cloud.curation",
    "FunctionEncoder": "encoders",
    "Index": "cloud.index",
    "Ledger": "client.ledger",
    "PrivacyStatement": "wire.release",
    "Probe": "wire.probe",
    "ProxySet": "cloud.proxy_set",
    "ProxysetError": "errors",
    "Refused": "errors",
    "Release": "wire.release",
    "Transport": "transport.transport",
    "adapt_to_client": "client.adapt",
    "answer": "client.answer",
    "answer_questions": "client.labeling",
    "ask_labels": "cloud.label_questions",
    "build_index": "cloud.build",
    "collect_labels": "cloud.label_questions",
    "export": "cloud.export",
    "load_encoder": "encoders",
    "open_source": "sources",
    "rank": "cloud.select.rank",
    "select": "cloud.proxy_set",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    # loaded on first use: a client never imports the cloud's code, nor the cloud the client's
    if name == "__version__":
        return import_module("importlib.metadata").version("proxyset")
    if name not in _HOMES:
        raise AttributeError(f"module 'proxyset' has no attribute {name!r}")
    return getattr(import_module(f"proxyset.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__all__", "__doc__", "__version__"]
