"""`python -m clickledger`, the same as the console script."""

from clickledger.cli import main

main()
