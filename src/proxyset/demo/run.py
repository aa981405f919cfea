"""The main job end to end, as a stranger would run it: cloud and client are two processes, over HTTP."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from proxyset.cloud.index import Index
from proxyset.demo.cache import load
from proxyset.demo.classifier import Labels, accuracy
from proxyset.demo.commands import Commands
from proxyset.demo.dataset import DataSet
from proxyset.demo.results import (
    ALL_OWN,
    METHODS,
    WHOLE_POOL,
    Cluster,
    Exchange,
    Gallery,
    Item,
    Results,
    Run,
    Score,
)
from proxyset.demo.splits import Rows, Split, split
from proxyset.encoders import load_encoder
from proxyset.errors import InvalidInput
from proxyset.wire.release import Release

_SHOWN_CLUSTERS = 8
_SHOWN_NEIGHBOURS = 6
_SHOWN_PICKS = 48


@dataclass(frozen=True)
class Setting:
    """What a demo does.

    Attributes:
        domains: each is the private one in turn.
        seeds: of splits, clusters and selections.
        budgets: numbers of picked images, rising.
        epsilon: what each client spends; δ is the command's default.
        clusters: R.
    """

    domains: tuple[str, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    budgets: tuple[int, ...] = (300, 1000)
    epsilon: float = 0.58
    clusters: int = 100


def run_demo(
    data_set: DataSet, setting: Setting, on_run: Callable[[Run, int, int], None], keep: Path | None = None
) -> Results:
    """Every private domain × seed: build the index, exchange, select, train.

    Args:
        data_set: images, in several domains.
        setting: what to run.
        on_run: called after each run with it, how many are done and how many there are.
        keep: a new folder for pools, indexes, releases, ledgers and proxy sets (30 MB a run); without it they
            lie in a temporary folder and are removed.

    Raises:
        InvalidInput: an unknown domain, or nothing to run.
        FetchError, MissingExtra: as `proxyset_lab.registry.fetch` does.
        ProxysetError: a command failed.
        FileExistsError: `keep` is there already.
    """
    known = [domain.name for domain in data_set.domains]
    if unknown := [name for name in setting.domains if name not in known]:
        raise InvalidInput(f"{data_set.name} has no domain {unknown[0]!r}: choose {', '.join(known)}")
    if not setting.domains or not setting.seeds:
        raise InvalidInput("a demo needs at least one domain and one seed")
    started = time.monotonic()
    data = _Data.of(data_set)
    pairs = [(private, seed) for private in setting.domains for seed in setting.seeds]
    runs = []
    with tempfile.TemporaryDirectory(prefix="proxyset-demo-") as temporary:
        work = Path(temporary) if keep is None else keep

        def one(pair: tuple[str, int]) -> Run:
            private, seed = pair
            folder = work / f"{private}-{seed}"
            folder.mkdir(parents=True)
            run = _Exchange(data, setting, private, seed, folder).run(pictures=seed == setting.seeds[0])
            if keep is None:
                shutil.rmtree(folder)
            return run

        with ThreadPoolExecutor(max_workers=max(1, min(4, (os.cpu_count() or 1)))) as workers:
            for run in workers.map(one, pairs):
                runs.append(run)
                on_run(run, len(runs), len(pairs))
    return Results(tuple(runs), setting.budgets, setting.clusters, time.monotonic() - started)


@dataclass(frozen=True)
class _Data:
    """The benchmark in memory; row numbers are those of its table.

    Attributes:
        features: (n, 72) float32, what the classifier sees.
    """

    data_set: DataSet
    ids: list[str]
    domains: NDArray[np.str_]
    labels: Labels
    images: list[bytes]
    features: NDArray[np.float32]

    @classmethod
    def of(cls, data_set: DataSet) -> _Data:
        table = load(data_set)
        columns = {name: table.column(name).to_pylist() for name in ("id", "domain", "label", "image")}
        encoded = load_encoder("hog").encode(columns["image"])
        return cls(
            data_set,
            columns["id"],
            np.array(columns["domain"]),
            np.array(columns["label"]),
            columns["image"],
            encoded.whole(data_set.name, columns["id"]),
        )

    def item(self, row: int) -> Item:
        return Item(str(self.domains[row]), str(self.labels[row]), self.images[row])

    def write_pool(self, path: Path, rows: Rows) -> None:
        """Public data says what it shows, where it comes from and under which terms."""
        licences = {domain.name: domain.licence for domain in self.data_set.domains}
        domains = [str(domain) for domain in self.domains[rows]]
        public = {
            "label": [str(label) for label in self.labels[rows]],
            "source": domains,
            "licence": [licences[domain] for domain in domains],
        }
        self._write(path, rows, public)

    def write_private(self, path: Path, rows: Rows) -> None:
        """The client's images have no labels."""
        self._write(path, rows, {})

    def _write(self, path: Path, rows: Rows, columns: dict[str, list[str]]) -> None:
        path.parent.mkdir()
        base = {"id": [self.ids[row] for row in rows], "image": [self.images[row] for row in rows]}
        pq.write_table(pa.table(base | columns), path, row_group_size=2000)


class _Exchange:
    """One private domain, one seed, in a folder with the two sides' own subfolders, `cloud` and `client`."""

    def __init__(self, data: _Data, setting: Setting, private: str, seed: int, folder: Path) -> None:
        self._data = data
        self._setting = setting
        self._private = private
        self._seed = seed
        self._folder = folder
        self._split: Split = split([str(domain) for domain in data.domains], private, seed)
        self._row_of = {data.ids[row]: int(row) for row in self._split.pool}

    def run(self, pictures: bool) -> Run:
        commands = Commands(self._folder)
        self._data.write_pool(self._folder / "cloud" / "pool.parquet", self._split.pool)
        self._data.write_private(self._folder / "client" / "private.parquet", self._split.client)
        exchange = self._exchange(commands)
        picks = {method: self._select(commands, method, exchange.released) for method in METHODS}
        covered, uncovered = self._clusters(exchange.released) if pictures else ((), ())
        return Run(
            private=self._private,
            seed=self._seed,
            pool=len(self._split.pool),
            own=len(self._split.in_distribution),
            records=len(self._split.client),
            tests=len(self._split.test),
            scores=tuple(self._scores(picks)),
            exchange=exchange,
            commands=tuple(commands.typed),
            covered=covered,
            uncovered=uncovered,
            galleries=tuple(self._gallery(method, rows) for method, rows in picks.items())
            if pictures
            else (),
        )

    def _exchange(self, commands: Commands) -> Exchange:
        setting, seed = self._setting, str(self._seed)
        commands.run(
            *("index", "build", "cloud/pool.parquet", "--out", "cloud/index", "--encoder", "hog"),
            *("--clusters", str(setting.clusters), "--seed", seed),
        )
        serve = ("serve", "cloud/index", "--port", "0", "--releases", "cloud/releases")
        with commands.serving(*serve) as server:
            spent = commands.run(
                *("client", "pull", str(server["url"]), "--data", "client/private.parquet"),
                *("--epsilon", str(setting.epsilon), "--ledger", "client/ledger.sqlite", "--hold", "1"),
            )
        ledger = commands.run("ledger", "show", "client/ledger.sqlite")
        return Exchange(
            bytes_down=int(spent["bytes_down"]),
            bytes_up=int(spent["bytes_up"]),
            epsilon=float(spent["epsilon"]),
            delta=float(spent["delta"]),
            rho=float(spent["rho"]),
            sigma=float(spent["sigma"]),
            ledger=tuple(self._shown(entry) for entry in ledger["entries"]),
            released=str(spent["release"]),
        )

    def _shown(self, entry: dict[str, object]) -> dict[str, object]:
        """A ledger entry without what is empty; paths as the commands gave them."""
        within = f"{self._folder}{os.sep}"
        return {
            name: value.replace(within, "") if isinstance(value, str) else value
            for name, value in entry.items()
            if value not in (None, "")
        }

    def _select(self, commands: Commands, method: str, released: str) -> list[int]:
        """Rows picked at the largest budget, best first."""
        out = f"cloud/proxy-{method}"
        commands.run(
            # the pool names the domain of each item; no rule shall know more than the paper's
            *(
                "select",
                "cloud/index",
                f"cloud/releases/{released}.safetensors",
                "--strategy",
                method,
                "--no-metadata",
            ),
            *("--budget", str(max(self._setting.budgets)), "--seed", str(self._seed), "--out", out),
        )
        selection = pq.read_table(self._folder / out / "selection.parquet", columns=["id", "rank"]).sort_by(
            "rank"
        )
        return [self._row_of[item] for item in selection.column("id").to_pylist()]

    def _scores(self, picks: dict[str, list[int]]) -> list[Score]:
        training: list[tuple[str, int | None, Rows]] = [
            (method, budget, np.array(rows[:budget]))
            for method, rows in picks.items()
            for budget in self._setting.budgets
        ]
        training += [(ALL_OWN, None, self._split.in_distribution), (WHOLE_POOL, None, self._split.pool)]
        X, y, test = self._data.features, self._data.labels, self._split.test
        return [
            Score(
                method,
                budget,
                accuracy(X[rows], y[rows], X[test], y[test]),
                float(np.mean(self._data.domains[rows] == self._private)),
            )
            for method, budget, rows in training
        ]

    def _gallery(self, method: str, rows: list[int]) -> Gallery:
        found = Counter(str(domain) for domain in self._data.domains[rows])
        mix = {domain.name: found[domain.name] for domain in self._data.data_set.domains}
        return Gallery(method, tuple(self._data.item(row) for row in rows[:_SHOWN_PICKS]), mix)

    def _clusters(self, released: str) -> tuple[tuple[Cluster, ...], tuple[Cluster, ...]]:
        """The clusters with the highest and the lowest noisy counts, from what the cloud has."""
        index = Index.open(self._folder / "cloud" / "index")
        release = Release.from_bytes(
            (self._folder / "cloud" / "releases" / f"{released}.safetensors").read_bytes()
        )
        candidates = index.candidates()

        def cluster(number: int) -> Cluster:
            members = candidates.members(number)
            distances = np.square(candidates.Z[members] - candidates.centroids[number]).sum(axis=1)
            nearest = members[np.argsort(distances, kind="stable")[:_SHOWN_NEIGHBOURS]]
            ids = index.rows(nearest, ["id"]).column("id").to_pylist() if len(nearest) else []
            images = tuple(self._data.item(self._row_of[item]) for item in ids)
            return Cluster(number, int(release.counts[number]), len(members), images)

        order = [int(number) for number in np.argsort(-release.counts, kind="stable")]
        shown = min(_SHOWN_CLUSTERS, len(order) // 2)
        return (
            tuple(cluster(number) for number in order[:shown]),
            tuple(cluster(number) for number in order[len(order) - shown :]),
        )
