"""srlab: image super-resolution methods compared under one exact protocol."""
