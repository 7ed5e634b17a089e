"""From finding to annotating and back: results go to a project, ``count`` is reviewed, a project gives tables."""
