"""Devices, what is offered to them, and what they report."""
