"""Annotations as GeoJSON, which QuPath reads and writes."""
