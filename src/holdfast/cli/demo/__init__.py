"""The demonstration: everything on one machine, and the tour through it."""

from holdfast.cli.demo.command import app

__all__ = ["app"]
