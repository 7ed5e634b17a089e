"""From a model in single precision to its graph in whole numbers of 8 bits, and what that loses."""
