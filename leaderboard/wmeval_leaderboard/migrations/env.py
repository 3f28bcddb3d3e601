"""Where Alembic finds the connection that `database.upgrade` opened, and the tables as they should be."""

from __future__ import annotations

from alembic import context

from wmeval_leaderboard.tables import Base

# ALTER TABLE of SQLite can do little: a batch makes the table anew
context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
