"""What several widgets need."""
