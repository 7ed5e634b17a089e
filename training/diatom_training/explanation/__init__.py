"""What a trained network sees of a specimen: feature maps, Grad-CAM and attention roll-out."""
