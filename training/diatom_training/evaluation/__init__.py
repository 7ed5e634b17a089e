"""How good a model is on a test set: figures with their intervals, a comparison of two models, and the report."""
