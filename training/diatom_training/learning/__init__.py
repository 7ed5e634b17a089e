"""Training of the networks that give masks: DeepLabV3+ (semantic maps) and Mask R-CNN (instances)."""
