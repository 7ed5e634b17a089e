"""What the formats of annotations have in common."""
