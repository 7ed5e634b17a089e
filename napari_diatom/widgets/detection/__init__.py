"""The widgets that find specimens, and the panel of their results."""
