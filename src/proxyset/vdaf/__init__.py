"""Verifiable sums: several aggregators add up what many clients measured, check every report, and see none of them.

A room of its own: it imports nothing of proxyset but the errors. It implements Prio3 of draft-irtf-cfrg-vdaf-18, with the
type of draft-ietf-ppm-l1-bound-sum-02, and its messages are byte for byte those of the drafts' vectors.

    vdaf = Prio3L1BoundSum(shares=2, length=50, max_value=1023, chunk_length=35)
    public_share, input_shares = vdaf.shard(ctx, counts, nonce, rand)

`proxyset.vdaf.prio3` lists the operations and who runs which. Modules, from the bottom up: `field` (primes, vectors), `digits`
(exact arithmetic on many elements at once), `polynomial`, `xof`, `circuits` (what a valid measurement is), `flp` (the proof),
`messages` (bytes), `prio3`.

*Not constant-time.* The draft asks for side-channel resistant arithmetic; Python cannot give it. The time of Python's big
integers depends on their values, allocation and garbage collection depend on history, and secrets stay in freed memory. Most
work on secrets here is NumPy on arrays of fixed shape, and hashing in C, whose time hardly depends on values, but encoding a
measurement, a report's gadget polynomial and the verifier go through Python integers. To use that, somebody must time single
operations far more precisely than a network lets through: a process on the same machine, another tenant of the same core or
cache, or an aggregator that chooses reports and watches when the other one answers. They may learn something about a client's
measurement (from the client's machine), about an input share (from an aggregator's; worth something together with the other
share) or about the verify key (which lets a client forge proofs). Against them: run client and aggregators on machines of
their own, answer in batches, and give a batch's verdicts together.
"""

from proxyset.vdaf.circuits import best_chunk_length as best_chunk_length
from proxyset.vdaf.field import Field as Field
from proxyset.vdaf.field import Field64 as Field64
from proxyset.vdaf.field import Field128 as Field128
from proxyset.vdaf.field import Vector as Vector
from proxyset.vdaf.messages import HelperShare as HelperShare
from proxyset.vdaf.messages import InputShare as InputShare
from proxyset.vdaf.messages import LeaderShare as LeaderShare
from proxyset.vdaf.messages import PublicShare as PublicShare
from proxyset.vdaf.messages import VerifierShare as VerifierShare
from proxyset.vdaf.messages import VerifyState as VerifyState
from proxyset.vdaf.prio3 import Prio3 as Prio3
from proxyset.vdaf.prio3 import Prio3Histogram as Prio3Histogram
from proxyset.vdaf.prio3 import Prio3L1BoundSum as Prio3L1BoundSum
from proxyset.vdaf.prio3 import Prio3MultihotCountVec as Prio3MultihotCountVec
from proxyset.vdaf.prio3 import Prio3SumVec as Prio3SumVec
from proxyset.vdaf.prio3 import Prio3SumVecWithMultiproof as Prio3SumVecWithMultiproof
from proxyset.vdaf.prio3 import Report as Report

__all__ = [
    "Field",
    "Field64",
    "Field128",
    "HelperShare",
    "InputShare",
    "LeaderShare",
    "Prio3",
    "Prio3Histogram",
    "Prio3L1BoundSum",
    "Prio3MultihotCountVec",
    "Prio3SumVec",
    "Prio3SumVecWithMultiproof",
    "PublicShare",
    "Report",
    "Vector",
    "VerifierShare",
    "VerifyState",
    "best_chunk_length",
]
