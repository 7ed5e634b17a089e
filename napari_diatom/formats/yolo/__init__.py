"""Annotations in the formats of YOLO."""
