"""Samples: their facts and protocols, and from counted specimens to counts of taxa, diversity and concentrations."""
