"""Scopes for one campaign alone, and operators for whom a provider vouches until some time."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0004", "0003"
branch_labels = depends_on = None


def upgrade() -> None:
    """Add when what a provider said is over; an older proxyset, which knows no scope of a campaign, refuses the state."""
    op.add_column("operators", sa.Column("until", sa.Text))
