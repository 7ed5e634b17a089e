"""Image files, their pixels and their pixel sizes."""
