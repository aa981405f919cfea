from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey

from proxyset.client.calibration import privacy_statement
from proxyset.client.label_privacy import label_statement
from proxyset.errors import ArtifactError
from proxyset.wire.lineage import PRIVATE, PUBLIC, UNKNOWN, UNSIGNED, Draw, Lineage
from proxyset.wire.privacy_loss import zcdp_epsilon
from proxyset.wire.receipt import Claim, Receipt
from proxyset.wire.release import Release
from proxyset.wire.signing import public_half

ALICE, BOB = "a" * 64, "b" * 64


def draw(number: int, epsilon: float = 1.0, owner: str = ALICE, **unit) -> Draw:  # type: ignore[no-untyped-def]
    return Draw(release=f"{number:064x}", privacy=privacy_statement(epsilon, **unit), owner=owner)


def labels(number: int, epsilon: float = 4.0, owner: str = ALICE) -> Draw:
    return Draw(release=f"{number:064x}", privacy=label_statement(60, epsilon), owner=owner)


lineages = st.builds(
    lambda draws, unknown, private, vouched: Lineage.union(
        [
            Lineage.of(draws),
            *([UNKNOWN] if unknown else []),
            *([PRIVATE] if private else []),
            *([UNKNOWN.vouch()] if vouched else []),
        ]
    ),
    st.lists(st.sampled_from([draw(n, owner=owner) for n in range(3) for owner in (ALICE, UNSIGNED)])),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


@settings(deadline=None)
@given(lineages, lineages, lineages)
def test_union_is_that_of_sets(a: Lineage, b: Lineage, c: Lineage) -> None:
    union = Lineage.union
    assert union([a, b]) == union([b, a])
    assert union([union([a, b]), c]) == union([a, union([b, c])])
    assert union([a, a]) == union([a, PUBLIC]) == union([a]) == a
    assert union([a, UNKNOWN]).unknown and union([a, PRIVATE]).private
    both = union([a, b])
    assert {d.release for d in both.draws} == {d.release for d in (*a.draws, *b.draws)}


@settings(deadline=None)
@given(lineages)
def test_there_and_back(a: Lineage) -> None:
    assert Lineage.parse(a.model_dump_json(), "x") == a
    assert Lineage.parse(json.dumps(a.model_dump(mode="json")), "x") == a


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": "proxyset.lineage/2"},
        {"unknown": "no"},
        {"more": 1},
        {"draws": [draw(2).model_dump(), draw(1).model_dump()]},
        {"draws": [draw(1).model_dump(), draw(1).model_dump()]},
        {"draws": [draw(1).model_dump() | {"owner": "somebody"}]},
        {"draws": [draw(1).model_dump() | {"release": "1"}]},
    ],
)
def test_what_is_no_lineage(change: dict) -> None:  # type: ignore[type-arg]
    with pytest.raises(ArtifactError, match=r"lineage in the card"):
        Lineage.parse(json.dumps(PUBLIC.model_dump(mode="json") | change), "the card")


def test_missing_is_unknown_and_never_public() -> None:
    assert "unknown" in UNKNOWN.words() and "public data alone" not in UNKNOWN.words()
    both = Lineage.union([UNKNOWN, Lineage.of([draw(1, 0.58)])])
    assert both.words().startswith("unknown") and "0.58" in both.words()
    assert PUBLIC.words() == "public data alone: no data owner's answer went in"
    assert "NOT PRIVATE" in Lineage.union([PRIVATE, Lineage.of([draw(1)])]).words()


def test_who_vouches_is_said() -> None:
    assert UNKNOWN.vouch() == Lineage(vouched=True)
    assert PUBLIC.vouch() == PUBLIC
    assert "were stated to be public" in UNKNOWN.vouch().words()
    assert Lineage.union([UNKNOWN, PRIVATE]).vouch().private


def test_answers_of_one_owner_add_up_and_the_same_answer_counts_once() -> None:
    one, other = draw(1, 0.5), labels(2, 4.0)
    once = Lineage.of([one, one])
    assert once.draws == (one,) and once.costs[0].epsilon == 0.5  # what it states, not what its ρ implies
    (cost,) = Lineage.of([one, other]).costs
    assert cost.rho == pytest.approx(one.privacy.rho + other.privacy.rho)
    assert cost.epsilon == zcdp_epsilon(cost.rho, 1e-5) > 4.0
    words = Lineage.of([one, other]).words()
    assert words.startswith("public items, chosen and labelled by 2 noisy answers of 1 data owner: ε = ")
    assert (
        Lineage.of([other])
        .words()
        .startswith("public items, labelled by 1 noisy answer of 1 data owner: ε = 4 ")
    )


def test_owners_do_not_add_up_unless_somebody_is_with_both() -> None:
    found = Lineage.of([draw(1, 0.5), draw(2, 2.0, BOB)])
    assert [(cost.owner, cost.epsilon) for cost in found.costs] == [(BOB, 2.0), (ALICE, 0.5)]
    total = zcdp_epsilon(math.fsum(d.privacy.rho for d in found.draws), 1e-5)
    assert "at most ε = 2 at δ = 1e-05 for one record (add-remove) of one owner" in found.words()
    assert f"ε = {total:.4g} for somebody with records at all of them" in found.words()


def test_unsigned_answers_are_taken_to_be_of_one_owner() -> None:
    found = Lineage.of([draw(1, owner=UNSIGNED), draw(2, owner=UNSIGNED)])
    (cost,) = found.costs
    assert (cost.owner, cost.answers, cost.rho) == (UNSIGNED, 2, 2 * draw(1).privacy.rho)
    assert "2 answers are unsigned" in found.words() and "taken to be of one owner" in found.words()
    assert "one answer is unsigned" in Lineage.of([draw(1, owner=UNSIGNED)]).words()
    # seen with its receipt and without: the receipt is what counts
    assert Lineage.of([draw(1, owner=UNSIGNED), draw(1)]) == Lineage.of([draw(1)])


def test_units_that_differ_leave_one_record() -> None:
    person = draw(1, unit="person", max_records=3)
    assert (
        Lineage.of([person]).costs[0].unit == "one person counted up to a length of √3 records (add-remove)"
    )
    whole = draw(1, unit="person", max_records=3, whole_records=True)
    assert Lineage.of([whole]).costs[0].unit == "one person of at most 3 records (add-remove)"
    assert Lineage.of([person, draw(2)]).costs[0].unit == "one record (add-remove)"
    assert "for one record (add-remove) of one owner" in Lineage.of([person, draw(2, owner=BOB)]).words()
    assert Lineage.of([draw(1, adjacency="replace-one")]).costs[0].unit == "one record (replace-one)"


def test_one_name_for_two_answers_is_found_out() -> None:
    with pytest.raises(ArtifactError, match="two statements or two owners"):
        Lineage.of([draw(1, 0.5), draw(1, 1.0)])
    with pytest.raises(ArtifactError, match="two statements or two owners"):
        Lineage.union([Lineage.of([draw(1)]), Lineage.of([draw(1, owner=BOB)])])


def test_a_draw_names_its_signer() -> None:
    release = Release(np.arange(4), "a" * 64, "b" * 64, privacy_statement(0.58))
    assert Draw.of(release).owner == UNSIGNED
    key = SigningKey(b"k" * 32)
    claim = Claim(
        release=release.fingerprint, probe=release.probe, index=release.index, server="", privacy=release.privacy, policy="",
        head="c" * 64, key=public_half(key),
    )  # fmt: skip
    receipt = Receipt.sign(claim, key).to_bytes()
    signed = Release(release.counts, release.probe, release.index, release.privacy, receipt)
    assert Draw.of(signed).owner == public_half(key)
    assert "signed by" in Draw.of(signed).words() and "unsigned" in Draw.of(release).words()
    rewritten = Release(release.counts, release.probe, release.index, privacy_statement(0.1), receipt)
    with pytest.raises(ArtifactError, match="receipt in this release is for"):
        Draw.of(rewritten)
