"""Recommendation 2: passwords that hold and central login."""
