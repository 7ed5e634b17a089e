"""Synthetic slides of one's own material: cut-outs of specimens and debris, blended into emptied backgrounds."""
