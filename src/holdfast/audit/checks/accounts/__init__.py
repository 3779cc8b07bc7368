"""Checks of recommendation 2."""
