"""Recommendation 5: little personal data, encrypted, people told."""
