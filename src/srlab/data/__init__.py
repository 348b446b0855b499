"""Images, from the file to the batch: reading, sources, resizing, augmentation, degradation, packed pairs."""
