"""Checks of recommendation 4."""
