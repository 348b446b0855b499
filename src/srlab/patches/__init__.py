"""The packed pairs of HR and LR images, and the way from them to a batch of patches."""
