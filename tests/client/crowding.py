"""One of several processes that all answer from one ledger at its cap; prints what it got as JSON.

python -m tests.client.crowding LEDGER NAME REQUESTS SHARED
"""

from __future__ import annotations

import json
import sys
from collections import Counter

import numpy as np

from proxyset.client.answer import answer
from proxyset.client.ledger import Ledger
from proxyset.errors import BudgetExceeded
from tests.client.conftest import make_probe


def run(path: str, name: str, requests: int, shared: int) -> dict[str, object]:
    X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    ledger = Ledger.open(path)
    outcomes: Counter[str] = Counter()
    releases = {}
    for number in range(requests):
        # some probes are everybody's, the rest are this process's own
        probe = make_probe(seed=1, purpose=f"{number}" if number < shared else f"{name} {number}")
        try:
            releases[probe.fingerprint] = answer(
                probe, X, epsilon=0.1, ledger=ledger, dataset="X"
            ).fingerprint
            outcomes["answered"] += 1
        except BudgetExceeded:
            outcomes["refused"] += 1
    return {"outcomes": outcomes, "releases": releases}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))) + "\n")
