"""Statistics of counts: diversity, rarefaction, intervals and agreement, as functions of numbers alone."""
