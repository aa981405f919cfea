"""proxyset index …, probe, select, export: the cloud's side, file by file."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from proxyset.cli.options import IndexFolder, Json, ProxyFolder
from proxyset.cli.output import emit, note, progress
from proxyset.cloud.build import build_index
from proxyset.cloud.curation import Curation
from proxyset.cloud.executor import Executor, LocalExecutor, RayExecutor
from proxyset.cloud.export import FORMS, export
from proxyset.cloud.index import Index
from proxyset.cloud.own_share import own_share_words
from proxyset.cloud.proxy_set import ProxySet, select
from proxyset.cloud.releases import ReleaseFiles
from proxyset.cloud.select import DEFAULT_RULE, DEFAULT_STRATEGY, MAX_WEIGHT, RULES, STRATEGIES, Rule
from proxyset.cloud.select.weighted_neighbours import NEAR_DUPLICATE
from proxyset.cloud.store import place, write_bytes
from proxyset.encoders.onnx_session import CPU
from proxyset.errors import InvalidInput
from proxyset.sources.source import Kind
from proxyset.wire.arrays import Dtype

app = typer.Typer(no_args_is_help=True, help="Encode and cluster a public pool.")

DtypeOption = Annotated[
    Dtype | None,
    typer.Option(help="How numbers travel: float16, but float32 for medoids.", show_default=False),
]
ItemsOption = Annotated[
    bool, typer.Option("--items/--no-items", help="Whether medoids travel with their pictures or texts.")
]
MaxWeightOption = Annotated[
    float, typer.Option(help="Most that one of three or more releases may weigh, in medians; inf: any.")
]
CombineOption = Annotated[
    Rule, typer.Option(help=f"How three or more releases are added up: {', '.join(RULES)}.")
]
Engine = Literal["local", "ray"]
EngineOption = Annotated[Engine, typer.Option(help="Where shards are worked on; the result is the same.")]
WorkersOption = Annotated[int, typer.Option(help="Processes of the local engine.")]
RayAddress = Annotated[
    str | None, typer.Option(help="Of a Ray cluster; RAY_ADDRESS, else this machine.", show_default=False)
]


@app.command()
def build(
    pool: Annotated[
        str,
        typer.Argument(help="Image folder, .tar shards, Parquet, JSONL, CSV or .npy; or a URL of them."),
    ],
    out: Annotated[str, typer.Option(help="Folder of the index, or its URL (s3://, gs://, az://).")],
    encoder: Annotated[
        str,
        typer.Option(
            help="auto, embeddings, hog, onnx:FOLDER, hf:FOLDER, wordllama, tabular or module:Class."
        ),
    ] = "auto",
    provider: Annotated[
        str, typer.Option(help="Of ONNX Runtime, for onnx: and hf: encoders: cpu, cuda, openvino, …")
    ] = CPU,
    clusters: Annotated[
        int | None, typer.Option(help="R; 100, or fewer for a tiny pool.", show_default=False)
    ] = None,
    dim: Annotated[
        int | None,
        typer.Option(help="Principal components; all up to 96 features, else 64.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of samples and K-means.")] = 0,
    kind: Annotated[
        Kind | None, typer.Option(help="image, text, table or embedding, where the data leaves a doubt.")
    ] = None,
    engine: EngineOption = "local",
    workers: WorkersOption = 1,
    ray_address: RayAddress = None,
    max_corrupt: Annotated[
        float | None,
        typer.Option(
            help="Share of items that may be unreadable; 0.01, but 0 for embeddings.", show_default=False
        ),
    ] = None,
    medoids: Annotated[
        bool, typer.Option("--medoids", help="Real items as centroids, and a commitment to the whole index.")
    ] = False,
    json: Json = False,
) -> None:
    """Encode and cluster a pool. Killed? Run the same command again: it resumes.

    Example: proxyset index build pool/ --out index --encoder hog --clusters 100
    """
    with progress() as advance:
        index = build_index(
            pool,
            out,
            encoder=encoder,
            provider=provider,
            clusters=clusters,
            dim=dim,
            seed=seed,
            kind=kind,
            max_corrupt=max_corrupt,
            medoids=medoids,
            executor=_executor(engine, workers, ray_address),
            progress=advance,
        )
    if index.manifest.skipped:
        note(f"{index.manifest.skipped} items could not be encoded and were left out: {out}/skipped.jsonl")
    for what, count in index.manifest.passed_over.items():
        note(f"passed over: {count:,} {what}")
    for said in (index.manifest.dropped, index.manifest.doubts):
        for name, why in said.items():
            note(
                f"column {name!r} {why}"
                if said is index.manifest.doubts
                else f"column {name!r} is no feature: it {why}"
            )
    emit(_facts(index), _words(index), json)


@app.command()
def info(index: IndexFolder, json: Json = False) -> None:
    """What an index holds.

    Example: proxyset index info index
    """
    opened = Index.open(index)
    emit(_facts(opened), _words(opened), json)


def probe(
    index: IndexFolder,
    out: Annotated[str, typer.Option(help="File of the probe, or its URL.")],
    dim: Annotated[int | None, typer.Option(help="Leading components to use.", show_default=False)] = None,
    dtype: DtypeOption = None,
    purpose: Annotated[str, typer.Option(help="What to tell the owner, at most 500 characters.")] = "",
    items: ItemsOption = True,
    json: Json = False,
) -> None:
    """Write the message that a client answers.

    Example: proxyset probe index --out probe.safetensors --dtype int8
    """
    target = place(out)
    made = Index.open(index).probe(dim=dim, dtype=dtype, purpose=purpose, items=items)
    write_bytes(target, made.to_bytes())
    facts = {
        "probe": str(out),
        "fingerprint": made.fingerprint,
        "bytes": len(made.data),
        "clusters": made.clusters,
        "dim": made.centroids.shape[1],
        "dtype": made.dtype,
        "commitment": made.medoids.commitment if made.medoids else None,
    }
    words = (
        f"{out}: {made.clusters} centroids of {made.centroids.shape[1]} dimensions, {len(made.data):,} bytes"
    )
    emit(facts, words, json)


def select_command(
    index: IndexFolder,
    out: Annotated[str, typer.Option(help="Folder of the proxy set, or its URL.")],
    budget: Annotated[int, typer.Option(help="Items to draw; at most the pool.")],
    releases: Annotated[
        list[str] | None, typer.Argument(help="Files of releases, folders of *.safetensors, or URLs.")
    ] = None,
    strategy: Annotated[
        str, typer.Option(help=f"{', '.join(sorted(STRATEGIES.own))}, or module:Class.")
    ] = DEFAULT_STRATEGY,
    seed: Annotated[int, typer.Option(help="Of the strategy's own randomness.")] = 0,
    max_weight: MaxWeightOption = MAX_WEIGHT,
    metadata: Annotated[
        bool, typer.Option(help="Let the rule see which source and label the pool names for each item.")
    ] = True,
    combine: CombineOption = DEFAULT_RULE,
    reference: Annotated[
        str | None,
        typer.Option(
            help="A public set of items like those wanted, instead of releases.", show_default=False
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=PATTERN", help="Take items whose label, source, uri, licence or id matches."
        ),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN=PATTERN", help="Leave out items that match.")
    ] = None,
    min_share: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN[:VALUE]=SHARE",
            help="Least share of the budget for each value of a column, or for one.",
        ),
    ] = None,
    after: Annotated[
        list[str] | None, typer.Option(help="An earlier proxy set of this pool: choose what goes with it.")
    ] = None,
    apart_from: Annotated[
        list[str] | None,
        typer.Option(help="A public set whose items and near-duplicates stay out: a test set."),
    ] = None,
    near: Annotated[
        float, typer.Option(help="What is a near-duplicate: a distance, in units of the pool's spread.")
    ] = NEAR_DUPLICATE,
    engine: EngineOption = "local",
    workers: WorkersOption = 1,
    ray_address: RayAddress = None,
    json: Json = False,
) -> None:
    """Draw a proxy set. It is post-processing: run it as often as you like.

    Example: proxyset select index release.safetensors --budget 1000 --out proxy --only "licence=CC0*" --min-share label=0.05
    """
    curation = Curation(
        only=_patterns("--only", only),
        without=_patterns("--without", without),
        min_share=_least_shares(min_share or []),
        after=[name for folder in after or [] for name in ProxySet.open(folder).ids()],
        apart_from=apart_from or [],
        near=near,
    )
    proxy = select(
        Index.open(index),
        ReleaseFiles.found(releases or []),
        out,
        budget=budget,
        strategy=strategy,
        seed=seed,
        max_weight=max_weight,
        metadata=metadata,
        rule=combine,
        reference=reference,
        curation=curation,
        executor=_executor(engine, workers, ray_address),
    )
    curated = proxy.card.curated
    for why, count in curated.left_out.items() if curated else ():
        note(f"{count:,} of {proxy.card.pool_items:,} items could not be chosen: {why}")
    if proxy.card.items < budget:
        left = " that may be chosen" if curated else ""
        note(
            f"the pool has {proxy.card.items} items{left}, fewer than the budget of {budget}: all were taken"
        )
    facts = {
        "proxy": str(out),
        "rows": proxy.card.items,
        "strategy": proxy.card.strategy,
        "combined": proxy.card.combined,
        "weights": proxy.card.weights,
        "clusters_covered": proxy.card.clusters_covered,
        "clusters": proxy.card.clusters,
        "curated": curated.model_dump(mode="json") if curated else None,
        "own_share_at_most": proxy.card.own_share_at_most,
    }
    words = (
        f"{out}: {proxy.card.items:,} of {proxy.card.pool_items:,} items by {proxy.card.strategy}, "
        f"from {proxy.card.clusters_covered} of {proxy.card.clusters} clusters"
    )
    if kind := own_share_words(proxy.card.own_share_at_most):
        words += f"\n{kind}"
    emit(facts, words, json)


def export_command(
    proxy: ProxyFolder,
    to: Annotated[str, typer.Option(help=", ".join(FORMS))],
    out: Annotated[str, typer.Option(help="New file or folder, or its URL.")],
    json: Json = False,
) -> None:
    """Write a proxy set in the form that the next tool reads.

    Example: proxyset export proxy --to imagefolder --out train/
    """
    opened = ProxySet.open(proxy)
    export(opened, to, out)
    emit(
        {"out": str(out), "form": to, "rows": opened.card.items}, f"{out}: {opened.card.items:,} items", json
    )


def _patterns(option: str, given: list[str] | None) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in given or ():
        column, equals, pattern = each.partition("=")
        if not (column and equals and pattern):
            raise InvalidInput(f"{option} is COLUMN=PATTERN, such as licence=CC0*, not {each!r}")
        found.setdefault(column, []).append(pattern)
    return found


def _least_shares(given: list[str]) -> dict[str, float | dict[str, float]]:
    found: dict[str, float | dict[str, float]] = {}
    for each in given:
        what, equals, number = each.rpartition("=")
        column, colon, value = what.partition(":")
        try:
            share = float(number)
        except ValueError:
            share = float("nan")
        if not (equals and column and 0 <= share <= 1):
            raise InvalidInput(
                f"--min-share is COLUMN=SHARE or COLUMN:VALUE=SHARE, such as label=0.05 or label:cat=0.2, not {each!r}"
            )
        named = found.setdefault(column, {} if colon else share)
        if isinstance(named, dict) != bool(colon) or (not colon and named != share):
            raise InvalidInput(f"--min-share {column} is given once for all its values, or value by value")
        if isinstance(named, dict):
            named[value] = share
    return found


def _executor(engine: Engine, workers: int, ray_address: str | None) -> Executor:
    if engine == "local":
        if ray_address is not None:
            raise InvalidInput("--ray-address goes with --engine ray")
        return LocalExecutor(workers)
    return RayExecutor(ray_address)


def _facts(index: Index) -> dict[str, object]:
    manifest = index.manifest
    return {
        "index": str(index.folder),
        "fingerprint": index.fingerprint,
        "pool": manifest.pool,
        "kind": manifest.kind,
        "items": manifest.items,
        "skipped": manifest.skipped,
        "passed_over": manifest.passed_over,
        "dropped": manifest.dropped,
        "doubts": manifest.doubts,
        "encoder": manifest.encoder.name,
        "encoder_fingerprint": manifest.encoder.fingerprint,
        "features": manifest.encoder.dim,
        "dim": manifest.dim,
        "clusters": manifest.clusters,
        "fitted_on": manifest.fitted_on,
        "seed": manifest.seed,
        "commitment": manifest.commitment,
    }


def _words(index: Index) -> str:
    manifest = index.manifest
    share = 100 * manifest.fitted_on / manifest.items
    return (
        f"{index.folder}: {manifest.items:,} {manifest.kind} items, {manifest.encoder.dim} features by {manifest.encoder.name}, "
        f"{manifest.clusters} clusters in {manifest.dim} dimensions, found on {share:.3g} % of the items\n"
        f"fingerprint {index.fingerprint}"
    )
