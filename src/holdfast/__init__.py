"""Holdfast: a maker of connected products keeps them safe with it, and proves it."""

__version__ = "0.1.0"
