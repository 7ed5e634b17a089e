"""What all docks that draw in the viewer use: shapes, clicks and the camera."""
