"""Models as folders: a card, its weights, and the library that finds them."""
