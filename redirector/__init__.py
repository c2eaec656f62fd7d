"""The door: decides, records, answers. Speaks HTTP and Redis, never PostgreSQL (the publisher beside it does)."""
