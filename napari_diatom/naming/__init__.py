"""Names by example: from the vectors of a few named specimens to names for the others. Images are not known here."""
