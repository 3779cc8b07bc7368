"""Recommendation 3: signed updates that arrive by themselves."""
