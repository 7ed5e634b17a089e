"""Find, outline, measure and count diatoms in microscope images."""

__version__ = "0.1.0"
