"""What a super-resolved image is scored by: a file per metric."""
