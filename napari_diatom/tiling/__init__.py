"""Cutting images into tiles, and putting together what was found in them."""
