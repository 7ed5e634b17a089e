"""Annotations as images of labels."""
