"""Streams keep their own positions: Kafka's broker has its offsets, and a folder begins anew.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.drop_column("streams", "positions")


def downgrade() -> None:
    """Go back to the version before."""
    op.add_column("streams", sa.Column("positions", sa.JSON(), nullable=False, server_default="{}"))
