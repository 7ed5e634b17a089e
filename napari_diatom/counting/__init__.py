"""``count``: a batch of images, its tables and its folder of results."""
