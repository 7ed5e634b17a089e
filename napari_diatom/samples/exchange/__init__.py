"""Counts of samples in the formats of other programs; each format is a module, :mod:`exports` knows them all."""
