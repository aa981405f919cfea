"""Whatever touches privacy says so, in four sections."""

from __future__ import annotations

import ast
import inspect
from types import ModuleType

import pytest

from proxyset.agent import encoders, models
from proxyset.client import (
    adapt,
    answer,
    audit,
    audit_bound,
    calibration,
    home,
    knn,
    label_audit,
    label_plan,
    label_privacy,
    labeling,
    labels,
    ledger,
    look,
    noise,
    pins,
    plan,
    policy,
    predict,
    vote,
)
from proxyset.wire import privacy_loss

SECTIONS = ("Sensitivity:", "Unit:", "Guarantee:", "Assumes:")
# public names that carry no guarantee of their own: plain data, and what only reads or reports
PLAIN = {
    "vote": {"Records"},
    "knn": set(),
    "labels": {"read_labels", "label_reader"},
    "label_privacy": set(),
    "label_plan": {"LabelPlan"},
    "label_audit": set(),
    "labeling": {"Voting", "label_items"},
    "audit_bound": set(),
    "noise": set(),
    "calibration": set(),
    "privacy_loss": set(),
    "ledger": {"Cap", "Account", "default_path"},
    "answer": {"answer_probe"},
    "policy": {"Limit", "adopt", "in_force"},
    "audit": {"Audit"},
    "plan": {"Plan"},
    "pins": {"pin", "pin_key"},
    "models": {"Fetched", "maker", "pulled", "check_signer"},
    "encoders": {"Kept", "fetch_unattended", "keep", "words"},
    "predict": {"Predictor", "Predictions", "read_labels", "read_shares"},
    "adapt": {"Fitted"},
    "home": {"Home", "open_model"},
    "look": {"write_items"},
}
LEDGER_METHODS = {"debit"}


def public(module: ModuleType) -> list[str]:
    tree = ast.parse(inspect.getsource(module))
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [node.name for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]


CASES = [
    (module, name)
    for module in (
        vote,
        noise,
        calibration,
        privacy_loss,
        ledger,
        answer,
        policy,
        audit,
        plan,
        pins,
        look,
        knn,
        labels,
        label_privacy,
        label_plan,
        label_audit,
        labeling,
        audit_bound,
        models,
        encoders,
        predict,
        adapt,
        home,
    )
    for name in public(module)
    if name not in PLAIN[module.__name__.rpartition(".")[2]]
]


def complain(what: object) -> list[str]:
    lines = [line.strip() for line in (inspect.getdoc(what) or "").splitlines()]
    return [section for section in SECTIONS if section not in lines]


@pytest.mark.parametrize(("module", "name"), CASES, ids=[name for _, name in CASES])
def test_sections(module: ModuleType, name: str) -> None:
    assert complain(getattr(module, name)) == []


def test_methods_that_spend() -> None:
    for name in LEDGER_METHODS:
        assert complain(getattr(ledger.Ledger, name)) == []


def test_the_test_can_fail() -> None:
    assert len(CASES) >= 10
    assert complain(inspect.getdoc) == list(SECTIONS)
