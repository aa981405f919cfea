"""What an artifact has seen of private data: the privacy lineage that travels with proxy sets, labels, checkpoints and models.

An artifact is public items, plus what data owners' noisy answers told about them. Each answer is a draw, named by its
fingerprint: seen twice it counts once. Where artifacts meet, their lineages are united; what says nothing of itself is unknown,
and unknown with anything is unknown. No other place says what something has seen.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from proxyset.errors import ArtifactError, first_problem
from proxyset.wire.container import Sha256, Strict
from proxyset.wire.privacy_loss import zcdp_epsilon
from proxyset.wire.questions import LabelRelease, LabelStatement
from proxyset.wire.receipt import Receipt
from proxyset.wire.release import PrivacyStatement, Release

UNSIGNED = "unsigned"
_RECORD = "one record (add-remove)"


class Draw(Strict):
    """One noisy answer of a data owner.

    Attributes:
        release: fingerprint of the answer.
        privacy: what it guarantees: counts that chose items, or labels.
        owner: the key that signed its receipt, hexadecimal, or "unsigned".
    """

    release: Sha256
    privacy: PrivacyStatement | LabelStatement
    owner: str = Field(pattern=r"^([0-9a-f]{64}|unsigned)$")

    @classmethod
    def of(cls, release: Release | LabelRelease) -> Draw:
        """What a release adds to a lineage. Raises ArtifactError when its receipt is not valid for it."""
        receipt = Receipt.of(release)
        return cls(
            release=release.fingerprint,
            privacy=release.privacy,
            owner=receipt.claim.key if receipt else UNSIGNED,
        )

    @property
    def labels(self) -> bool:
        """Whether it labelled items, rather than choosing them."""
        return isinstance(self.privacy, LabelStatement)

    @property
    def drawn(self) -> PrivacyStatement:
        """Unit, adjacency and noise: of the counts, or of the votes behind labels."""
        return self.privacy.voting if isinstance(self.privacy, LabelStatement) else self.privacy

    def words(self) -> str:
        """One line for people."""
        what, noise = ("labels", "votes") if self.labels else ("counts", "counts")
        signed = "unsigned" if self.owner == UNSIGNED else f"signed by {self.owner[:12]}…"
        return (
            f"{what} `{self.release[:16]}…`, {signed}: ε = {self.privacy.epsilon:.4g} at δ = {self.privacy.delta:.1g} for "
            f"{self.drawn.protects} ({self.drawn.adjacency}), ρ = {self.privacy.rho:.4g}; discrete "
            f"Gaussian noise of σ = {self.drawn.noise:.4g} on the {noise}"
        )


@dataclass(frozen=True)
class Cost:
    """What all answers of one owner tell about one unit of that owner's data.

    Attributes:
        owner: the key, or "unsigned".
        answers: how many.
        rho: their sum.
        epsilon, delta: of one answer, what it states; of several, what the sum of ρ implies at the largest δ.
        unit: in words.
    """

    owner: str
    answers: int
    rho: float
    epsilon: float
    delta: float
    unit: str


class Lineage(Strict):
    """What an artifact has seen.

    Attributes:
        unknown: something that went in does not say what it has seen.
        private: private records, or a model trained on some, went in without a guarantee: this may not be published.
        vouched: whoever made this stated that inputs which say nothing of themselves were public.
        draws: the answers that went in, by fingerprint, each once.

    Sensitivity:
        As each draw states it.
    Unit:
        As the draws of an owner state it; one record added or removed where they differ, which each of them covers.
    Guarantee:
        The artifact is post-processing of these draws and of public items: for one unit of an owner's data it is ρ-zCDP with
        the sum of ρ of that owner's draws (`costs`). None where it is unknown or private.
    Assumes:
        Owners are told apart by their keys, and all unsigned draws are taken to be of one owner. Somebody whose records lie
        with several owners adds up the costs of these. Statements are true of the noise that was added.
    """

    schema_version: Literal["proxyset.lineage/1"] = "proxyset.lineage/1"
    unknown: bool = False
    private: bool = False
    vouched: bool = False
    draws: Annotated[tuple[Draw, ...], Field(max_length=1_000_000)] = ()

    @model_validator(mode="after")
    def _each_once(self) -> Lineage:
        names = [draw.release for draw in self.draws]
        if names != sorted(set(names)):
            raise ValueError("a lineage names each release once, in order")
        return self

    @classmethod
    def of(cls, draws: Iterable[Draw]) -> Lineage:
        """What public items and these answers give; the same one twice counts once.

        Raises:
            ArtifactError: one fingerprint stands for two statements or two owners.
        """
        found: dict[str, Draw] = {}
        for draw in draws:
            known = found.setdefault(draw.release, draw)
            if known.owner == UNSIGNED:
                found[draw.release] = draw
            if known.privacy != draw.privacy or len({known.owner, draw.owner} - {UNSIGNED}) > 1:
                raise ArtifactError(
                    f"the answer {draw.release[:12]}… has two statements or two owners here: one of the artifacts that name it "
                    "was changed"
                )
        return cls(draws=tuple(found[name] for name in sorted(found)))

    @classmethod
    def union(cls, parts: Iterable[Lineage]) -> Lineage:
        """What something made of several has seen. Without any part: public data alone.

        Raises:
            ArtifactError: as `of`.
        """
        parts = list(parts)
        flags = {
            name: any(getattr(part, name) for part in parts) for name in ("unknown", "private", "vouched")
        }
        return cls.of(draw for part in parts for draw in part.draws).model_copy(update=flags)

    def vouch(self) -> Lineage:
        """The same, where somebody states that whatever says nothing of itself was public."""
        return self.model_copy(update={"unknown": False, "vouched": True}) if self.unknown else self

    @classmethod
    def parse(cls, data: str | bytes, where: str) -> Lineage:
        """Decode what `model_dump_json` wrote.

        Raises:
            ArtifactError: it is damaged, or of another version; `where` names it.
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise ArtifactError(
                f"the lineage in {where} is damaged or of another version: {first_problem(error)}"
            ) from None

    @property
    def costs(self) -> tuple[Cost, ...]:
        """What the answers of each owner cost together, the dearest owner first."""
        owners: dict[str, list[Draw]] = defaultdict(list)
        for draw in self.draws:
            owners[draw.owner].append(draw)
        found = [_cost(owner, draws) for owner, draws in owners.items()]
        return tuple(sorted(found, key=lambda cost: (-cost.rho, cost.owner)))

    def words(self) -> str:
        """One paragraph for people; it begins in the middle of a sentence: "it saw …"."""
        said = []
        if self.private:
            said.append("PRIVATE DATA WITHOUT A GUARANTEE: NOT PRIVATE, not to be published")
        if self.unknown:
            said.append("unknown: something that went in does not say what it has seen")
        if self.draws:
            said.append(("beside these, " if said else "public items, ") + self._answers())
        elif not said:
            said.append("public data alone: no data owner's answer went in")
        if self.vouched:
            said.append("inputs that say nothing of themselves were stated to be public by whoever made this")
        return ". ".join(part[0].upper() + part[1:] if number else part for number, part in enumerate(said))

    def _answers(self) -> str:
        labels = sum(draw.labels for draw in self.draws)
        verbs = (["chosen"] if labels < len(self.draws) else []) + (["labelled"] if labels else [])
        costs, count = self.costs, len(self.draws)
        owners, units = len(costs), {cost.unit for cost in costs}
        unit = units.pop() if len(units) == 1 else _RECORD
        delta = max(cost.delta for cost in costs)
        epsilon = max(cost.epsilon for cost in costs)
        words = f"{' and '.join(verbs)} by {count:,} noisy answer{'s' * (count > 1)} of "
        words += f"{owners:,} data owner{'s' * (owners > 1)}: "
        words += f"{'at most ' * (owners > 1)}ε = {epsilon:.4g} at δ = {delta:.1g} for {unit}"
        if owners > 1:
            total = zcdp_epsilon(math.fsum(cost.rho for cost in costs), delta)
            words += f" of one owner, ε = {total:.4g} for somebody with records at all of them"
        unsigned = next((cost.answers for cost in costs if cost.owner == UNSIGNED), 0)
        if unsigned == 1:
            words += "; one answer is unsigned, so its statement is nobody's"
        elif unsigned:
            words += f"; {unsigned:,} answers are unsigned, so their statements are nobody's, and are taken to be of one owner"
        return words


PUBLIC = Lineage()
UNKNOWN = Lineage(unknown=True)
PRIVATE = Lineage(private=True)


def _cost(owner: str, draws: list[Draw]) -> Cost:
    rho = math.fsum(draw.privacy.rho for draw in draws)
    delta = max(draw.privacy.delta for draw in draws)
    kinds = {f"{draw.drawn.protects} ({draw.drawn.adjacency})" for draw in draws}
    unit = kinds.pop() if len(kinds) == 1 else _RECORD  # which each draw covers, whatever it states
    epsilon = draws[0].privacy.epsilon if len(draws) == 1 else zcdp_epsilon(rho, delta)
    return Cost(owner, len(draws), rho, epsilon, delta, unit)
