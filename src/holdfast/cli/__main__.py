"""`python -m holdfast.cli` is the same as `holdfast`."""

from holdfast.cli.app import main

main()
