"""The makers' products and their profiles."""
