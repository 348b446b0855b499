"""`srlab plan`: what the trainings of a profile would take on this machine, from a probe of each."""
