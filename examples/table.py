"""A table: patients with several visits each, where a person is protected and not only a visit.

    python examples/table.py

The owner's file is written by hand somewhere else and looks a little different. Every cell is read as the public pool types its
column, so that no private cell changes how another one is read.
"""

import csv
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

import proxyset

WARDS = ("cardiology", "surgery", "paediatrics", "geriatrics")
AGES = (62, 48, 8, 81)  # the mean age on each ward


def visits(count: int, wards: list[int], seed: int) -> pa.Table:
    """Made-up visits to these wards."""
    rng = np.random.default_rng(seed)
    ward = rng.choice(wards, size=count)
    age = np.clip(rng.normal(np.take(AGES, ward), 8), 0, 105).round()
    pressure = (95 + age / 2 + rng.normal(0, 10, count)).round()
    return pa.table({"ward": np.take(WARDS, ward), "age": age, "pressure": pressure})


def main() -> None:
    pool = visits(8_000, [0, 1, 2, 3], seed=0)
    index = proxyset.build_index(pool, clusters=40)  # the encoder of tables is chosen by itself

    private = visits(2_400, [3], seed=1).to_pylist()  # all geriatric, which is what nobody is told
    with tempfile.TemporaryDirectory() as folder:
        data, ledger = Path(folder) / "visits.csv", Path(folder) / "ledger.sqlite"
        with data.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["patient", "pressure", "age", "ward"])
            for number, visit in enumerate(private):  # "81" here, 81.0 in the pool: one and the same age
                writer.writerow([f"P{number // 3}", int(visit["pressure"]), int(visit["age"]), visit["ward"]])
            writer.writerow(
                ["P999", "not measured", 80, "geriatrics"]
            )  # cannot be read: it has no vote, and stops nothing

        # Three visits a patient, which together count as much as one. The promise is then about the patient.
        release = proxyset.answer(
            index.probe(), data, epsilon=0.58, unit="person", person="patient", max_records=1, ledger=ledger
        )
        ward = pool.column("ward").to_numpy(zero_copy_only=False)
        for strategy in ("density-ratio", "random"):
            rows = proxyset.rank(index, release, 300, strategy).rows
            share = (ward[rows] == "geriatrics").mean()
            print(f"300 items by {strategy}: {100 * share:.0f} % from geriatrics")

        # The same question again is free: the stored answer is sent, bit for bit, and nobody can average the noise away.
        again = proxyset.answer(
            index.probe(), data, epsilon=0.58, unit="person", person="patient", max_records=1, ledger=ledger
        )
        print(
            f"asked again: {'the same bytes' if again.to_bytes() == release.to_bytes() else 'another answer'}"
        )


if __name__ == "__main__":
    main()
