"""Training a GAN: its Lightning module, the losses it sees through, and alarms."""
