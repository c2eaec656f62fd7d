"""The marketers' API over the ledger."""
