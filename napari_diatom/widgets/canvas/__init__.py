"""What all docks that draw in the viewer stand on: shapes, clicks and the camera."""
