"""Example-based methods: they learn from pairs of patches, by least squares and sparse codes and not by gradients."""
