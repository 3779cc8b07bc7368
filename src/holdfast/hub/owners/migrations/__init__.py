"""Schema history, written by Django."""
