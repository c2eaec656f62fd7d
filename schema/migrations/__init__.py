"""The database's history: forward-only Alembic revisions whose substance is SQL files. `schema.migrate` runs them."""
