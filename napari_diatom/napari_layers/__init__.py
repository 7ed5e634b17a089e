"""Specimens as layers of napari, and the files that napari opens and saves."""
