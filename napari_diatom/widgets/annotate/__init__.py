"""The parts of the widget that annotates the images of a project."""
