"""The common parts of the widgets."""
