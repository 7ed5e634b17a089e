"""Names by example in the window: suggestions, bulk names, checks and the map of a project's specimens."""
