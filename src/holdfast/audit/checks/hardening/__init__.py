"""Checks of recommendation 1."""
