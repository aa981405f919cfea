"""What one number of a benchmark is about: a data set's entry, a group of cells that share a split, a cell."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from proxyset.errors import InvalidInput
from proxyset.wire.probe import Dtype

# "id+ood": whatever is public; "id": the client's kind alone; "ood": none of it; "2.4%": that much of it, in a pool as large as
# that of any other share
PoolKind = Annotated[str, Field(pattern=r"^(id\+ood|id|ood|(0|[1-9][0-9]*)(\.[0-9]+)?%)$")]
MOST_SHARE = 0.1


def own_share(pool: PoolKind) -> float | None:
    """The share of the client's kind that a pool is made to hold, in [0, MOST_SHARE]; None where it is left as it is.

    Raises:
        InvalidInput: more than MOST_SHARE, for which there may be too few such items.
    """
    if not pool.endswith("%"):
        return None
    share = float(pool[:-1]) / 100
    if share > MOST_SHARE:
        raise InvalidInput(
            f"a pool of {pool} of the client's kind: at most {MOST_SHARE:.0%} can be asked for"
        )
    return share


class Data(BaseModel):
    """A data set of an experiment.

    Attributes:
        name: as in `proxyset-lab list`.
        budgets: numbers of picked items.
        domains: which are the private one in turn; all by default.
        most: of each domain at most this many items take part.
        records: the client has at most this many; None for all of its split.
        dim: principal components that the pool is clustered on; None for the index's own choice.
        clusters: R for this data set; empty for the experiment's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    budgets: tuple[int, ...] = Field(min_length=1)
    domains: tuple[str, ...] = ()
    most: int | None = Field(default=3000, ge=10)
    records: int | None = Field(default=None, ge=1)
    dim: int | None = Field(default=None, ge=1)
    clusters: tuple[int, ...] = ()


class Group(NamedTuple):
    """Cells that share a split: one data set, private domain, seed and pool."""

    data_set: str
    private: str
    seed: int
    pool: PoolKind


class Cell(NamedTuple):
    """One number to find; None where the method does not ask."""

    group: Group
    method: str
    budget: int | None
    clusters: int | None
    dim: int | None
    dtype: Dtype | None
    epsilon: float | None
