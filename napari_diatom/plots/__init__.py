"""Plots, drawn into figures of matplotlib: the same in the window, in files and in reports."""
