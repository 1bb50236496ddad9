"""Runners tell that they are there, and which clusters they hold.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.create_table(
        "runners",
        sa.Column("owner", sa.String(100), primary_key=True),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("clusters", sa.JSON(), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True), nullable=False),
        sa.Column("beat", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Go back to the version before."""
    op.drop_table("runners")
