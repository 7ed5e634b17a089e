"""The dock that shows the striae of the selected specimen."""
