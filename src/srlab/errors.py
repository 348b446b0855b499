"""The one exception that means "the user can fix this", and what others say in one line."""


class SrlabError(Exception):
    """One line that names the file or key that is wrong and the cure; scripts print it and exit with 1."""


def one_line(error: BaseException, length: int = 200) -> str:
    """The beginning of what an exception says, or its name if it says nothing."""
    text = str(error).strip()
    return text.splitlines()[0][:length] if text else type(error).__name__
