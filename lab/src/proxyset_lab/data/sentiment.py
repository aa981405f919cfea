"""Four kinds of short English texts, each rated by people: is it positive?"""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import replace

import pyarrow as pa

from proxyset.demo.dataset import Content, DataSet, Domain
from proxyset_lab.data.packages import read_sdist

_PACKAGE = "vaderSentiment==0.5"
_ARCHIVE = "additional_resources/hutto_ICWSM_2014.tar.gz"
_NEUTRAL = 0.5  # ratings within ± this say neither
_SOURCE = "Hutto and Gilbert, ICWSM 2014, as carried by the source distribution of vaderSentiment 0.5"
_FILES = {
    "tweets": "tweets",
    "amazon": "amazonReviewSnippets",
    "movies": "movieReviewSnippets",
    "nyt": "nytEditorialSnippets",
}
_DOMAINS = (
    Domain("tweets", "tweets", _SOURCE, "MIT"),
    Domain("amazon", "sentences of product reviews", _SOURCE, "MIT"),
    Domain("movies", "sentences of film reviews", _SOURCE, "MIT"),
    Domain("nyt", "sentences of newspaper editorials", _SOURCE, "MIT"),
)


def build() -> Content:
    """Texts whose mean rating (−4 … 4, twenty people) is beyond ±0.5; a text that occurs twice is kept once.

    Columns: id ("tweets/17"), domain, label ("negative" or "positive"), text, and group: the review or editorial that a sentence
    comes from ("nyt/17"). Which film review a sentence comes from is not known, so there it is its own group.

    Raises:
        FetchError: the package could not be downloaded.
    """
    (packed,) = read_sdist(_PACKAGE, [_ARCHIVE])
    columns: dict[str, list[str]] = {name: [] for name in ("id", "domain", "label", "text", "group")}
    seen = set()
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        files = {name.rpartition("/")[2]: name for name in tar.getnames()}
        for domain, name in _FILES.items():
            file = tar.extractfile(files[f"{name}_GroundTruth.txt"])
            for line in file.read().decode("latin-1").splitlines() if file else ():
                fields = line.split("\t")
                if len(fields) != 3 or abs(float(fields[1])) <= _NEUTRAL or fields[2] in seen:
                    continue
                seen.add(fields[2])
                rated = "positive" if float(fields[1]) > 0 else "negative"
                name = f"{domain}/{fields[0]}"
                row = (name, domain, rated, fields[2], name.partition("_")[0])  # "nyt/17_3" is of "nyt/17"
                for column, value in zip(columns, row, strict=True):
                    columns[column].append(value)
    digest = hashlib.sha256("\n".join("\t".join(row) for row in zip(*columns.values(), strict=True)).encode())
    return Content(pa.table(columns), digest.hexdigest())


SENTIMENT = DataSet(
    name="sentiment",
    title="Positive or negative? Four kinds of English texts rated by people",
    items=19_089,
    download=2_400_000,
    domains=_DOMAINS,
    encoder="wordllama",
    version=2,
    fingerprint="68cfd8f04dadd9b8900e437fe9953857cb523e0da81d721a51ff9c54710c414c",
    build=build,
)
SENTIMENT_MINILM = replace(
    SENTIMENT,
    name="sentiment-minilm",
    title="The same texts and splits as `sentiment`, encoded by all-MiniLM-L6-v2",
    download=120_000_000,
    encoder="minilm",
    splits_of=SENTIMENT,
)
