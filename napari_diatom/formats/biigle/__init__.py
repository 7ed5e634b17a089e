"""Annotations of BIIGLE."""
