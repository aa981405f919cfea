"""Two-party sums, which lay in a file of their own, `two-party.sqlite`, beside a state in SQLite."""

import sqlite3
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"
branch_labels = depends_on = None
_BEFORE = {"sums": "sums", "sum_reports": "reports", "sum_jobs": "jobs", "sum_totals": "totals"}


def upgrade() -> None:
    """Add the tables, and take over what is in that file; it stays as it is."""
    op.create_table(
        "sums",
        _campaign(),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("task", "helper_url", "helper_ca")),
    )
    op.create_table(
        "sum_reports",
        _campaign(),
        sa.Column("client", sa.Text, primary_key=True),
        sa.Column("id", sa.LargeBinary, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("received", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("data", sa.LargeBinary),
        sa.Column("job", sa.BigInteger),
        sa.Column("verdict", sa.BigInteger),
        sa.UniqueConstraint("campaign", "id"),
    )
    op.create_index("sum_reports_of_job", "sum_reports", ["campaign", "job"])
    op.create_index("sum_reports_of_client", "sum_reports", ["client"])
    op.create_table(
        "sum_jobs",
        _campaign(),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("share", sa.LargeBinary),
    )
    op.create_table(
        "sum_totals",
        _campaign(),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("leader", sa.LargeBinary, nullable=False),
        sa.Column("helper", sa.LargeBinary),
        sa.Column("counts", sa.LargeBinary),
    )
    if op.get_bind().dialect.name == "sqlite":
        _take_over()


def _campaign() -> "sa.Column[str]":
    return sa.Column("campaign", sa.Text, primary_key=True)


def _take_over() -> None:
    connection = op.get_bind()
    state = connection.exec_driver_sql("PRAGMA database_list").one()
    before = Path(state[2]).parent / "two-party.sqlite"
    if not before.is_file():
        return
    old = sqlite3.connect(before)
    try:
        for table, name in _BEFORE.items():
            for row in old.execute(f"SELECT * FROM {name}"):
                connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    finally:
        old.close()
