"""Many trainings: what is tried, what is known of it, and how it comes back to params.yaml."""
