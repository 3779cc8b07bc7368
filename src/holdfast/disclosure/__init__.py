"""Recommendation 4: a working vulnerability programme."""
