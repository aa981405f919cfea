"""The benchmark data sets by name."""

from __future__ import annotations

from proxyset.demo.dataset import DataSet
from proxyset.demo.digits import DIGITS_SMALL
from proxyset.errors import InvalidInput
from proxyset_lab.data.digits_full import DIGITS
from proxyset_lab.data.flights import FLIGHTS
from proxyset_lab.data.iconnet import ICONNET
from proxyset_lab.data.official import DOMAINNET_10, DOMAINNET_345, PAPER_DIGITS
from proxyset_lab.data.sentiment import SENTIMENT

_KNOWN = (
    DIGITS_SMALL, DIGITS, ICONNET, SENTIMENT, FLIGHTS, PAPER_DIGITS, DOMAINNET_10, DOMAINNET_345,
)  # fmt: skip
DATA_SETS = {data_set.name: data_set for data_set in _KNOWN}


def find(name: str) -> DataSet:
    """The data set called `name`.

    Raises:
        InvalidInput: there is none.
    """
    if name not in DATA_SETS:
        raise InvalidInput(f"there is no data set {name!r}: choose {', '.join(DATA_SETS)}")
    return DATA_SETS[name]
