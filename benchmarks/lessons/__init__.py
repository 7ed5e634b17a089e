"""The scripts of the course, one a chapter: each draws the chapter's pictures and returns its figures."""
