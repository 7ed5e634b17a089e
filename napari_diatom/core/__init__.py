"""Types and helpers that everything stands on: specimens, masks, geometry, files, text and errors."""
