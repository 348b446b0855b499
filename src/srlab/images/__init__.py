"""Pixels: reading and writing files, colour, resizing, the eight turns. Imports nothing of the other packages."""
