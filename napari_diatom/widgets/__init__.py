"""Everything that needs Qt or napari: one module per dock widget, and their parts."""
