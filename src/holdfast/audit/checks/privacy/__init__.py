"""Checks of recommendation 5."""
