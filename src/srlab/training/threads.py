"""How many CPU threads a training computes on."""

import torch


def use_threads(num_threads: int) -> None:
    """Compute on so many CPU threads; 0 leaves torch's choice, all cores.

    A fixed number makes weights independent of how many cores there are, and small networks lose little by one: two
    threads that other processes keep from running together spend most of their time waiting for each other.
    """
    if num_threads:
        torch.set_num_threads(num_threads)
