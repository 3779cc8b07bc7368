"""A running system: what its kernel says runs, listens and is mounted. Nothing is changed."""
