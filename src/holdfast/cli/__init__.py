"""The one command `holdfast`, a module for each subcommand."""

from holdfast.cli.app import main

__all__ = ["main"]
