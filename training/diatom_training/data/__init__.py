"""Annotated slides, and what a training takes from them."""
