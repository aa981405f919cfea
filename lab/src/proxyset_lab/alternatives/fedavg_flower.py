"""The rounds of `fedavg` through Flower's simulation engine: a node a participant, one message there and back a round.

It shows that the plain loop of the benchmark is federated averaging as Flower runs it: with the same seed both give the same
weights, but for the order in which updates are added.
"""

from __future__ import annotations

import os
import time

import numpy as np

from proxyset.errors import needing
from proxyset_lab.alternatives.fedavg import Matrix, Rows, rounds, updates

_RATE, _SIGMA = 0.5, 1.0


def far_apart(participants: int, count: int) -> str:
    """Compare the two loops on made records, over `count` rounds: how far apart they are, in words."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(participants, 65)) / 8
    Y = np.eye(10)[rng.integers(10, size=len(X))]

    def summed(W: Matrix, chosen: Rows) -> Matrix:
        total: Matrix = X[chosen].T @ updates(X[chosen], Y[chosen], W)
        return total

    start = np.zeros((X.shape[1], Y.shape[1]))
    plain = rounds(summed, len(X), start, _RATE, _SIGMA, np.random.default_rng(1), count)
    begin = time.monotonic()
    flower = by_flower(X, Y, start, seed=1, count=count)
    apart, size = np.abs(plain - flower).max(), np.abs(plain).max()
    return (
        f"{len(X)} participants, {count} rounds, {time.monotonic() - begin:.0f} s by Flower: "
        f"largest weight {size:.3g}, largest difference {apart:.1e}"
    )


def by_flower(X: Matrix, Y: Matrix, W: Matrix, *, seed: int, count: int) -> Matrix:
    """Weights after `count` rounds in Flower's simulation.

    Args:
        X: (n, D + 1), a record a participant. Y: (n, K) one-hot. W: (D + 1, K), where to start.
        seed: of choices and noise, to compare with the plain loop.

    Raises:
        MissingExtra: flwr or ray is not installed.
    """
    # read once, when flwr is imported
    os.environ |= {"FLWR_TELEMETRY_ENABLED": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    with needing("flower", "Federated averaging by Flower"):
        import ray  # noqa: F401
        from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
        from flwr.clientapp import ClientApp
        from flwr.serverapp import Grid, ServerApp
        from flwr.simulation import run_simulation
    client, server = ClientApp(), ServerApp()
    trained: list[Matrix] = []

    @client.query()
    def whose(message: Message, context: Context) -> Message:
        row = MetricRecord({"row": int(context.node_config["partition-id"])})
        return Message(RecordDict({"row": row}), reply_to=message)

    @client.train()
    def update(message: Message, context: Context) -> Message:
        row = [int(context.node_config["partition-id"])]
        W = message.content.array_records["W"]["W"].numpy()
        moved = X[row].T @ updates(X[row], Y[row], W)
        return Message(RecordDict({"W": ArrayRecord({"W": Array(moved)})}), reply_to=message)

    @server.main()
    def aggregate(grid: Grid, context: Context) -> None:
        def ask(nodes: list[int], content: RecordDict, kind: str) -> dict[int, RecordDict]:
            replies = grid.send_and_receive([Message(content, node, kind) for node in nodes])
            return {reply.metadata.src_node_id: reply.content for reply in replies}

        while len(nodes := list(grid.get_node_ids())) < len(X):
            time.sleep(0.1)
        told = ask(nodes, RecordDict(), "query")
        node_of = {int(str(content.metric_records["row"]["row"])): node for node, content in told.items()}

        def summed(W: Matrix, chosen: Rows) -> Matrix:
            content = RecordDict({"W": ArrayRecord({"W": Array(W)})})
            replies = ask([node_of[int(row)] for row in chosen], content, "train")
            found = [replies[node_of[int(row)]].array_records["W"]["W"].numpy() for row in chosen]
            return np.sum(found, axis=0) if found else np.zeros_like(W)

        trained.append(rounds(summed, len(X), W, _RATE, _SIGMA, np.random.default_rng(seed), count))

    run_simulation(
        server,
        client,
        num_supernodes=len(X),
        backend_config={"init_args": {"num_cpus": 2}, "client_resources": {"num_cpus": 1, "num_gpus": 0.0}},
    )
    return trained[0]
