"""The dock widget *About and help*."""
