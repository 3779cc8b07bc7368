"""The only privileged process: a short closed table of verbs."""
