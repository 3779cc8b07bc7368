"""Checks of recommendation 3."""
