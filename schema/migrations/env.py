"""What Alembic runs for every command: it migrates on the connection `schema.migrate` put into the configuration.

The caller holds the transaction and the lock, so everything up to head happens entirely or not at all.
"""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
