"""The ledger: programme, statistics, audit of the books. Speaks PostgreSQL, never Redis."""
