"""Functions of the Python API as forms in the menu."""
