"""The product profile: the one file that drives device, audit, hub and label."""
