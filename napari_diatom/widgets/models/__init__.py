"""The dock with the installed models."""
