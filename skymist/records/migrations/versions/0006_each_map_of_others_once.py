"""Each map of others is kept once, whatever file it came in.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version; of the same map that two processes kept at the same moment, the first stays."""
    maps = sa.table("imported_maps", sa.column("id"), sa.column("sha256"), sa.column("created"))
    first = maps.alias()
    before = (first.c.created < maps.c.created) | ((first.c.created == maps.c.created) & (first.c.id < maps.c.id))
    op.execute(sa.delete(maps).where(sa.exists().where((first.c.sha256 == maps.c.sha256) & before)))
    op.create_index("ix_imported_maps_sha256", "imported_maps", ["sha256"], unique=True)


def downgrade() -> None:
    """Go back to the version before."""
    op.drop_index("ix_imported_maps_sha256", "imported_maps")
