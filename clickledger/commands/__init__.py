"""One module per group of commands. Each has `register(app)`, called from `clickledger.cli`; imports that cost are inside the commands."""
