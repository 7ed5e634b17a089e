"""A search for good settings of a training: trials that see training and validation alone."""
