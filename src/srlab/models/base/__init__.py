"""What networks share: the class Network, layers, weights in files."""
