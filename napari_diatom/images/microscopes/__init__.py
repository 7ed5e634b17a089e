"""Files of microscopes and slide scanners that are not TIFF, each read by a library of the extra ``microscopes``."""
