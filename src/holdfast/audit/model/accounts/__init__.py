"""Accounts: who could log in to what, and how well his password is kept."""
