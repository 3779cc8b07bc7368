"""Recommendation 1: services off by default, confinement, exposure."""
