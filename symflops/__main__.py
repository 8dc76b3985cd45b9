"""`python -m symflops` is the command `symflops`."""

from symflops.cli import main

main()
