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
    encoders = ["hog"]               # kinds or fingerprints; empty or absent: none; "any" allows all
    servers = ["https://cloud.example"]  # empty or absent: any
    medoids = true                   # only probes of real items out of a committed index
    model_keys = ["<public key>"]    # whose models and encoders may be fetched; empty or absent: any, and the first is pinned
    fetch_encoders = false           # whether the agent may fetch an encoder without a person's look
    aggregation = "local"            # counts leave with noise alone; "two-party": exact ones may leave in two shares
    helpers = []                     # for that: public keys of who may hold the second share
    smallest_sum = 100               # and the fewest reports of a sum that is opened

    [cap]                            # of all answers together; absent: the ledger's stays as it is
    epsilon = 4.0
    delta = 1e-5

    [caps."https://cloud.example"]   # of one server
    epsilon = 2.0
    delta = 1e-5

`adopt` puts a policy into the ledger, text and all. From then on every answer from that ledger is bound by it, and every
debit carries its fingerprint; it is left only by adopting another, which is one more entry.

**Encoders.** A probe says how a record is read and turned into features, so a server that could choose freely would choose which
columns of a table are looked at, and in which categories. That choice is the owner's: a probe or a set of questions whose encoder
the policy does not name is refused before a byte of the data is read. Most encoders have no say in what of a record is read: they
take whole pictures, texts or embeddings, and an ONNX encoder is the owner's own file. They can be named by their kind. A table's
names columns, so only the fingerprint of exactly that one allows it. Labels are closed twice: they also need `most_questions`.

**Servers** are named in the one form of `wire.server_name`. A name that no server can have is refused when it is adopted.

**Two-party sums** (`aggregation`) are another promise than noise: they hold unless the server and the helper work together. So each
helper is named by its key, and none is taken because a server names it. `fewest_records` cannot be kept there, since nobody here
sees noisy counts: with it, two-party sums are refused.

**`fewest_records`** is compared with the sum of the NOISY counts, after they were drawn and paid for. Whether an answer leaves is
then one more bit that a server sees, the bit "the sum is below the bound". It is a function of the noisy counts and of a number
that the owner chose without looking at the data, so it is post-processing of what was paid for: (ε, δ) and ρ of the release hold
for the counts and the bit together, and for the bit alone. It is not a promise that few records stay unseen.
"""

from __future__ import annotations

import re
import tomllib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from proxyset.client.chain import Entry
from proxyset.client.ledger import Cap, Ledger
from proxyset.encoders.encoder import EncoderSpec
from proxyset.errors import ApprovalNeeded, InvalidInput, LedgerError, Refused, first_problem
from proxyset.fingerprint import fingerprint
from proxyset.wire.probe import Probe
from proxyset.wire.questions import LabelStatement, Questions
from proxyset.wire.release import PrivacyStatement, Release
from proxyset.wire.server_name import recorded_name, server_name
from proxyset.wire.task import Task

# encoders that read whole records, so that no probe can choose what of one is looked at; a table's names columns
WHOLE = ("embeddings", "hog", "onnx", "hf", "wordllama")
_FINGERPRINT = re.compile("[0-9a-f]{64}")

# what `client init` writes: every line commented, nothing in force until the owner adopts it
TEMPLATE = b"""\
# What may be answered from this ledger. Change it, then put it in force:  proxyset client ledger policy THIS_FILE LEDGER

# What is protected: one "record", or one "person", whose votes count up to a length of
# the square root of max_records, in records.
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

# How records may be read. Pictures, texts and embeddings are read whole: allow those by their kind, "hog", "onnx", "hf",
# "wordllama", "embeddings". A table's encoder chooses columns: look at it (proxyset client show PROBE), and put its fingerprint
# here if you agree. Empty: every probe is refused. encoders = "any" allows all.
encoders = []

# Only these servers. Absent: any.
# servers = ["https://cloud.example"]

# Let exact counts leave in two shares, to be added up by the server and one of these helpers: private as long as the two do not
# work together (proxyset helper key). "local": counts leave with noise alone.
# aggregation = "two-party"
# helpers = ["..."]
# smallest_sum = 100
# vote_floor = 4.0               # only sums of which each vote keeps this epsilon if they do

# Fetch only models and encoders that one of these keys has signed. Absent: any key, and the first of a server is pinned.
# model_keys = ["..."]

# Let the agent fetch an encoder that it lacks, if `encoders` allows it and its key is named above or pinned already. Otherwise a
# person looks at it first (proxyset client fetch-encoder).
# fetch_encoders = true

# The most that all answers together may cost. Without these three lines the ledger's cap stays as it is.
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
        Refusals before the debit depend on the question, the settings and the ledger, never on private data; the one after it
        (`withhold`) is post-processing of the noisy counts, covered by what they cost.
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
    encoders: tuple[str, ...] | Literal["any"] = ()
    servers: tuple[str, ...] = ()
    medoids: bool = False
    model_keys: tuple[str, ...] = ()
    fetch_encoders: bool = False
    aggregation: Literal["local", "two-party"] = "local"
    helpers: tuple[str, ...] = ()
    smallest_sum: int = Field(default=100, ge=2)
    vote_floor: float | None = Field(default=None, gt=0)
    cap: Limit | None = None
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
            raise InvalidInput(f"the policy is invalid: {first_problem(error)}") from None

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

    def check_task(self, probe: Probe, task: Task, server: str, approved: bool) -> None:
        """Raise Refused, before anything is read or debited, when no report for this sum may be given."""
        if self.aggregation != "two-party":
            raise Refused(
                'the policy lets counts leave with noise alone, this campaign asks for a two-party sum (aggregation = "two-party")'
            )
        if task.helper not in self.helpers:
            raise Refused(
                f"the policy does not name the helper {task.helper}. If you know whose it is, and trust that it does not work "
                "with the server, put it into `helpers`"
            )
        if self.vote_floor is not None and not 0 < task.floor <= self.vote_floor:
            kept = f"ε = {task.floor:g} a vote" if task.floor else "nothing"
            raise Refused(
                f"the policy demands that a vote keeps ε = {self.vote_floor:g} or less if leader and helper work together "
                f"(vote_floor), this sum keeps {kept}"
            )
        if task.minimum < self.smallest_sum:
            raise Refused(
                f"the policy allows sums of at least {self.smallest_sum} reports (smallest_sum), this one may be opened with "
                f"{task.minimum}"
            )
        if self.fewest_records:
            raise Refused(
                "the policy sends nothing below a sum of noisy counts (fewest_records), and there are none in a two-party sum"
            )
        self.check(probe, task.privacy, server, approved)

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
        whole = encoder.name if encoder.name in WHOLE else ""
        if self.encoders != "any" and not {encoder.fingerprint, whole} & set(self.encoders):
            raise Refused(
                f"the policy does not allow the encoder {encoder.name} with the fingerprint {encoder.fingerprint}. See what it "
                "reads (proxyset client show PROBE); to allow it, put "
                + (f'"{whole}" or ' if whole else "")
                + "this fingerprint into `encoders` of the policy and adopt that (proxyset client ledger policy)"
            )
        if self.servers and recorded_name(server) not in {recorded_name(name) for name in self.servers}:
            raise Refused(f"the policy does not allow the server {server!r}")

    def _check_approval(self, epsilon: float, approved: bool) -> None:
        if self.approve_above is not None and epsilon > self.approve_above and not approved:
            raise ApprovalNeeded(
                f"answers above ε = {self.approve_above} need a person's approval: look at it, then approve it (approved)"
            )

    def check_model(self, key: str) -> None:
        """Raise Refused when a model, or an encoder, that this key has signed may not be fetched."""
        if self.model_keys and key not in self.model_keys:
            raise Refused(f"the policy does not allow models or encoders signed by the key {key}")

    def check_unattended(self, encoder: EncoderSpec, server: str, key: str, pinned: bool) -> None:
        """Raise Refused when the agent may not fetch this encoder by itself.

        Args:
            key: that signed it.
            pinned: whether it is the key that this server is pinned to.
        """
        if not self.fetch_encoders:
            raise Refused("the policy leaves fetching encoders to a person (fetch_encoders)")
        self._check_who(encoder, server)
        self.check_model(key)
        if not (pinned or self.model_keys):
            raise Refused(
                f"the encoder is signed by the key {key}, which is neither pinned to {server!r} nor named in the policy: look at "
                "it once, or put the key into `model_keys`"
            )

    def withhold(self, release: Release) -> None:
        """Raise Refused when the noisy counts of a drawn release add up to too few records. The debit stays.

        Sensitivity:
            None beyond the release's: it sees the noisy counts and a constant of the owner's.
        Unit:
            The release's.
        Guarantee:
            That of the release, for the counts and for whether they leave: post-processing.
        Assumes:
            The bound was chosen without a look at the data.
        """
        if self.fewest_records and not release.adds_up_to(self.fewest_records):
            raise Refused(
                f"the noisy counts add up to {release.records.sum():g}, the policy sends nothing below {self.fewest_records}; "
                "the answer was drawn, so its debit stays, and it is kept in the ledger unsent"
            )


def adopt(ledger: Ledger, text: bytes, note: str = "") -> Entry:
    """Put a policy in force: the caps that it names, then the policy itself, each an entry. Other caps stay as they are.

    Raises:
        InvalidInput: not a policy, or one that names a server or an encoder that there cannot be; nothing is changed.
        LedgerError: it could not be written.
    """
    policy = Policy.from_toml(text)
    caps = _checked(policy)
    if policy.cap:
        caps = {"": policy.cap} | caps
    for server, limit in caps.items():
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


def _checked(policy: Policy) -> dict[str, Limit]:
    """The caps of servers by the one form of their names, if every name in the policy is one that can be met."""
    for name in policy.servers:
        server_name(name)
    caps: dict[str, Limit] = {}
    for name, limit in policy.caps.items():
        server = server_name(name)
        if not server:
            raise InvalidInput('[caps.""] names no server: the cap of all answers together is [cap]')
        if server in caps:
            raise InvalidInput(f"the policy has two caps for the server {server!r}")
        caps[server] = limit
    for key in policy.helpers:
        if not _FINGERPRINT.fullmatch(key):
            raise InvalidInput(f"no helper has the key {key!r}: 64 hexadecimal digits (proxyset helper key)")
    if policy.aggregation == "two-party" and not policy.helpers:
        raise InvalidInput(
            'aggregation = "two-party" names no helper: put the keys that you trust into `helpers`'
        )
    for name in () if policy.encoders == "any" else policy.encoders:
        if name not in WHOLE and not _FINGERPRINT.fullmatch(name):
            raise InvalidInput(
                f"no encoder is named {name!r}: `encoders` takes {', '.join(WHOLE)}, or fingerprints of 64 hexadecimal digits "
                '(proxyset client show PROBE), or is "any"'
            )
    return caps
