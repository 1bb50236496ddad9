"""Publications: circulars and notices of ours, their revisions and what is said about them.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.create_table(
        "publications",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("template", sa.String(60), nullable=False),
        sa.Column("alert_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("head", sa.Integer(), nullable=False),
        sa.Column("approved", sa.Integer()),
        sa.Column("approver", sa.String(100), nullable=False),
        sa.Column("locked_by", sa.String(100), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True)),
        sa.Column("channel", sa.String(60), nullable=False),
        sa.Column("confirmed", sa.String(64), nullable=False),
        sa.Column("sender", sa.String(100), nullable=False),
        sa.Column("owner", sa.String(100)),
        sa.Column("beat", sa.DateTime(timezone=True)),
        sa.Column("tried", sa.DateTime(timezone=True)),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("number", sa.String(200), nullable=False),
        sa.Column("sent", sa.DateTime(timezone=True)),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state NOT IN ('sending', 'sent') OR (approved IS NOT NULL AND approved = head AND approver <> '')",
            name="sent_is_approved",
        ),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    for column in ("kind", "alert_id", "state", "changed"):
        op.create_index(f"ix_publications_{column}", "publications", [column])
    op.create_table(
        "texts",
        sa.Column("publication_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("base", sa.Integer()),
        sa.Column("aside", sa.Boolean(), nullable=False),
        sa.Column("who", sa.String(100), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("made", sa.String(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["publication_id"], ["publications.id"]),
        sa.PrimaryKeyConstraint("publication_id", "number"),
    )
    op.create_table(
        "comments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("publication_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("who", sa.String(100), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["publication_id"], ["publications.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_comments_publication_id", "comments", ["publication_id"])


def downgrade() -> None:
    """Go back to the version before."""
    for name in ("comments", "texts", "publications"):
        op.drop_table(name)
