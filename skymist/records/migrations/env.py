"""Alembic's entry: run the steps on the connection that `skymist.records.Database` gives."""

from alembic import context

from skymist.records.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
