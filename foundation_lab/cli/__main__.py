"""``python -m foundation_lab.cli``: the command line without its script."""

from foundation_lab.cli import main

main()
