"""The demonstration: everything on one machine, and the tour through it."""
