"""Requirement register, evidence and label."""
