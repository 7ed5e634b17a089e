"""Several images in one run: open images, the fields of a stack, or a folder."""
