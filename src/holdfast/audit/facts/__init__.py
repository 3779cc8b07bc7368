"""Facts: what one distinct content says, in one pass."""
