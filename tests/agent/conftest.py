"""The owner's side needs what the kernel's tests need."""

from tests.client.conftest import X, ledger, probe  # noqa: F401
