"""The benchmark data sets by name: ours, and those of installed packages (entry points "proxyset_lab.data_sets")."""

from __future__ import annotations

from proxyset.demo.dataset import DataSet
from proxyset.demo.digits import DIGITS_SMALL
from proxyset.registry import Registry
from proxyset_lab.data.digits_full import DIGITS
from proxyset_lab.data.flights import FLIGHTS, FLIGHTS_TO
from proxyset_lab.data.iconnet import ICONNET
from proxyset_lab.data.letters import LETTERS_BY_FAMILY
from proxyset_lab.data.official import DOMAINNET_10, DOMAINNET_345, PAPER_DIGITS
from proxyset_lab.data.options import OPTIONS
from proxyset_lab.data.sentiment import SENTIMENT, SENTIMENT_MINILM

_KNOWN = (
    DIGITS_SMALL, DIGITS, ICONNET, SENTIMENT, SENTIMENT_MINILM, FLIGHTS, LETTERS_BY_FAMILY, OPTIONS, FLIGHTS_TO,
    PAPER_DIGITS, DOMAINNET_10, DOMAINNET_345,
)  # fmt: skip
DATA_SETS: Registry[DataSet] = Registry(
    "data set",
    "proxyset_lab.data_sets",
    ("name", "items", "domains", "encoder", "version", "build"),
    {data_set.name: data_set for data_set in _KNOWN},
)


def find(name: str) -> DataSet:
    """The data set called `name`, or named as "module:DATA_SET".

    Raises:
        InvalidInput: there is none.
    """
    return DATA_SETS.load(name)
