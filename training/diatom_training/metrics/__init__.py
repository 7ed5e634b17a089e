"""Figures of how well a model does."""
