"""Sending results to a project, from any dock."""
