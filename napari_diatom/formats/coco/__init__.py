"""Annotations in the format of COCO."""
