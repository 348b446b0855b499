"""Where images come from: sources, archives, ImageNet, verification, leaks, selection, the augmentation index."""
