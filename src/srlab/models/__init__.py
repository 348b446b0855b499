"""Networks: one per file, knowing pixels and nothing of training or files (weights excepted)."""
