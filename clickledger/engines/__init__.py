"""PostgreSQL and Valkey from wheels, run inside one data directory. Used by `clickledger up`, the tests and the benches."""
