"""Sizes and shapes of specimens, and which of them are counted."""
