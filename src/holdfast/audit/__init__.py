"""Judging of firmware images."""
