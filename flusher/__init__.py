"""The writer of facts: stream, batch, rows, one transaction, acknowledgement. Speaks Redis and PostgreSQL, never HTTP."""
