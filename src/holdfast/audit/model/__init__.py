"""The model: what the facts of a root file system mean together."""
