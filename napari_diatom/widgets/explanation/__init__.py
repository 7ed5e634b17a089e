"""The dock that shows what a network sees of the selected specimen."""
