"""Installed packages, the machine, and what to know about them: problems and notes."""
