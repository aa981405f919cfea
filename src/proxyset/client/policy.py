"""The owner's policy: what may be answered at all, in a TOML file that people can read and a review can sign.

    unit = "person"                  # or "record"
    max_records = 5
    adjacency = "add-remove"
    most_epsilon = 1.0               # of one answer
    most_delta = 1e-5
    most_clusters = 500
    most_questions = 0               # public items labeled at once; 0 (the default): no labels leave
    approve_above = 0.5              # a person must say yes to an answer of larger ε
    fewest_records = 200             # withhold answers whose noisy counts add up to less
    encoders = ["<fingerprint>"]     # empty or absent: any
    servers = ["https://cloud.example"]
    medoids = true                   # only probes of real items out of a committed index
    model_keys = ["<public key>"]    # whose models may be fetched; empty or absent: any, and the first is pinned

    [cap]                            # of all answers together
    epsilon = 4.0
    delta = 1e-5

    [caps."https://cloud.example"]   # of one server
    epsilon = 2.0
    delta = 1e-5

`adopt` puts a policy into the ledger, text and all. From then on every answer from that ledger is bound by it, and every
debit carries its fingerprint; it is left only by adopting another, which is one more entry.

`fewest_records` is compared with the sum of the NOISY counts, after they were drawn and paid for. A server may notice that
no answer came; because that follows from the noisy counts alone, it tells nothing that they would not have told.
"""

from __future__ import annotations

import tomllib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from proxyset.client.chain import Entry
from proxyset.client.ledger import Cap, Ledger
from proxyset.encoders.encoder import EncoderSpec
from proxyset.errors import ApprovalNeeded, InvalidInput, LedgerError, Refused
from proxyset.fingerprint import fingerprint
from proxyset.wire.probe import Probe
from proxyset.wire.questions import LabelStatement, Questions
from proxyset.wire.release import PrivacyStatement, Release

# what `client init` writes: every line commented, nothing in force until the owner adopts it
TEMPLATE = b"""\
# What may be answered from this ledger. Change it, then put it in force:  proxyset ledger policy THIS_FILE LEDGER

# What is protected: one "record", or one "person" of whom at most max_records records count.
unit = "record"
max_records = 1
# Neighbouring data sets differ by adding or removing one unit ("add-remove") or by replacing one ("replace-one").
adjacency = "add-remove"

# The largest privacy loss of one answer, and when a person must say yes to one (--approve).
most_epsilon = 1.0
most_delta = 1e-5
approve_above = 0.6

# The largest probe, in centroids.
most_clusters = 1000

# The most public items that may be labeled at once by votes of private records (client-label). 0: no labels leave.
most_questions = 0

# Send nothing when the noisy counts add up to less. The debit of such an answer stays.
fewest_records = 0

# Answer only probes of real items, out of an index that the server committed to (proxyset client look shows them).
medoids = false

# Only these encoders (by fingerprint: proxyset encoder info) and these servers. Absent: any.
# encoders = ["..."]
# servers = ["https://cloud.example"]

# Fetch only models that one of these keys has signed. Absent: any key, and the first of a server is pinned.
# model_keys = ["..."]

# The most that all answers together may cost.
[cap]
epsilon = 4.0
delta = 1e-5

# The most that the answers to one server may cost.
# [caps."https://cloud.example"]
# epsilon = 2.0
# delta = 1e-5
"""


class Limit(BaseModel):
    """A cap, as (ε, δ)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epsilon: float = Field(ge=1e-3, le=100)
    delta: float = Field(gt=0, lt=0.5)


class Policy(BaseModel):
    """What may be answered. The module's docstring shows the file.

    Sensitivity:
        None: it only refuses.
    Unit:
        The one it demands of every answer.
    Guarantee:
        Refusals before the debit depend on the probe and the settings, never on private data; the one after it
        (`withhold`) depends on private data through the noisy counts alone.
    Assumes:
        The ledger it was adopted in is the one that answers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: Literal["record", "person"]
    max_records: int = Field(default=1, ge=1)
    adjacency: Literal["add-remove", "replace-one"] = "add-remove"
    most_epsilon: float = Field(default=100, gt=0)
    most_delta: float = Field(default=0.5, gt=0)
    most_clusters: int = Field(default=1_000_000, ge=1)
    most_questions: int = Field(default=0, ge=0)
    approve_above: float | None = Field(default=None, ge=0)
    fewest_records: int = Field(default=0, ge=0)
    encoders: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    medoids: bool = False
    model_keys: tuple[str, ...] = ()
    cap: Limit = Limit(epsilon=10, delta=1e-5)
    caps: dict[str, Limit] = {}

    @classmethod
    def from_toml(cls, text: bytes) -> Policy:
        """Raises InvalidInput when it is not TOML, or has a key or a value that no policy has."""
        try:
            fields = tomllib.loads(text.decode())
        except (
            ValueError,
            RecursionError,
        ) as error:  # not UTF-8, not TOML, a number of 5,000 digits, 1,000 brackets
            raise InvalidInput(f"the policy is not TOML: {error}") from None
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise InvalidInput(f"the policy is invalid: {where}: {first['msg']}") from None

    def check(self, probe: Probe, privacy: PrivacyStatement, server: str, approved: bool) -> None:
        """Raise Refused, before anything is read or debited, when this answer may not be given."""
        self._check_guarantee(privacy)
        if probe.clusters > self.most_clusters:
            raise Refused(
                f"the policy allows at most {self.most_clusters} centroids, this probe has {probe.clusters}"
            )
        self._check_who(probe.encoder, server)
        if self.medoids and probe.medoids is None:
            raise Refused(
                "the policy answers only probes of medoids, real items of an index that the server committed to: ask it for "
                "one (proxyset index build --medoids)"
            )
        self._check_approval(privacy.epsilon, approved)

    def check_questions(
        self, questions: Questions, privacy: LabelStatement, server: str, approved: bool
    ) -> None:
        """Raise Refused, before anything is read or debited, when these questions may not be answered."""
        if len(questions) > self.most_questions:
            raise Refused(
                f"the policy allows labels of at most {self.most_questions} public items at once, not {len(questions)} "
                "(most_questions)"
            )
        if self.medoids:
            raise Refused(
                "the policy answers only what a server committed to (medoids), and questions are not covered by that"
            )
        self._check_guarantee(
            privacy.voting.model_copy(update={"epsilon": privacy.epsilon, "delta": privacy.delta})
        )
        self._check_who(questions.encoder, server)
        self._check_approval(privacy.epsilon, approved)

    def _check_guarantee(self, privacy: PrivacyStatement) -> None:
        asked = (privacy.unit, privacy.max_records, privacy.adjacency)
        demanded = (self.unit, self.max_records, self.adjacency)
        if asked != demanded:
            raise Refused(f"the policy demands unit, record bound and adjacency {demanded}, not {asked}")
        if privacy.epsilon > self.most_epsilon or privacy.delta > self.most_delta:
            raise Refused(
                f"the policy allows at most ε = {self.most_epsilon} at δ = {self.most_delta} an answer, "
                f"not {privacy.epsilon} at {privacy.delta}"
            )

    def _check_who(self, encoder: EncoderSpec, server: str) -> None:
        if self.encoders and encoder.fingerprint not in self.encoders:
            raise Refused(f"the policy does not allow the encoder {encoder.name} {encoder.fingerprint}")
        if self.servers and server not in self.servers:
            raise Refused(f"the policy does not allow the server {server!r}")

    def _check_approval(self, epsilon: float, approved: bool) -> None:
        if self.approve_above is not None and epsilon > self.approve_above and not approved:
            raise ApprovalNeeded(
                f"answers above ε = {self.approve_above} need a person's approval: look at what is asked, then --approve"
            )

    def check_model(self, key: str) -> None:
        """Raise Refused when a model that this key has signed may not be fetched."""
        if self.model_keys and key not in self.model_keys:
            raise Refused(f"the policy does not allow models signed by the key {key}")

    def withhold(self, release: Release) -> None:
        """Raise Refused when the noisy counts of a drawn release add up to too few records. The debit stays."""
        total = int(release.counts.sum())
        if 0 < self.fewest_records > total:
            raise Refused(
                f"the noisy counts add up to {total}, the policy sends nothing below {self.fewest_records}; the answer "
                "was drawn, so its debit stays, and it is kept in the ledger unsent"
            )


def adopt(ledger: Ledger, text: bytes, note: str = "") -> Entry:
    """Put a policy in force: its caps, then the policy itself, each an entry.

    Raises:
        InvalidInput: not a policy; nothing is changed.
        LedgerError: it could not be written.
    """
    policy = Policy.from_toml(text)
    for server, limit in [("", policy.cap), *policy.caps.items()]:
        ledger.set_cap(Cap(limit.epsilon, limit.delta), server, note or "by policy")
    return ledger.add_policy(text, note)


def in_force(ledger: Ledger) -> tuple[Policy | None, str]:
    """The policy that the ledger is bound by, and its fingerprint; (None, "") without one.

    Raises:
        LedgerError: the stored policy is damaged.
    """
    adopted = ledger.texts("policy")
    if not adopted:
        return None, ""
    _, text = adopted[-1]
    try:
        return Policy.from_toml(text), fingerprint(text)
    except InvalidInput as error:
        raise LedgerError(f"the policy in {ledger.path} cannot be read: {error}") from error
