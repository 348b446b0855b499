"""The one exception that means "the user can fix this"."""


class SrlabError(Exception):
    """One line that names the file or key that is wrong and the cure; scripts print it and exit with 1."""
