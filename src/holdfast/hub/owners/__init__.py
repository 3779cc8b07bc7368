"""Owners who asked for a mail when their device gets a release."""
