"""Signed releases, the repository that holds them, and the API that takes them in."""
