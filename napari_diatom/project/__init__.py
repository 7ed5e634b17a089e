"""Annotation projects on disk: specimens that people and models outline, image by image, and what becomes of them."""
