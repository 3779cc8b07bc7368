"""The owner's pages, in a process without secrets."""
