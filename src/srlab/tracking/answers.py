"""What an error of a store means: whether another try may succeed, and how it is called in one line."""

import re
from typing import Any

import requests

from srlab.errors import one_line

# Of the statuses 4xx, those that are not about what was sent: user and password, rights, time, load.
PASSING_HTTP_ERRORS = (401, 403, 408, 429)


class StoreError(Exception):
    """What is wrong with a store, as the end of a sentence that begins with its name."""


def trouble(error: Exception) -> str:
    """What an error says of a store, as the end of a sentence that begins with the store's name."""
    if isinstance(error, StoreError):
        return str(error)
    if _status(error) == 401:
        return "refuses user and password (401): see MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    if "readonly database" in str(error):
        return "has a read-only database: make its file and folder writable"
    if not is_silent(error):
        return f"fails ({one_line(error)})"
    cause = re.search(r"\[Errno -?\d+\] [\w ]+|[Tt]imed out", str(error))  # it stands behind much else
    return f"does not answer ({cause[0] if cause else one_line(error)})"


def is_silent(error: Exception) -> bool:
    """Whether the store did not answer at all: no other journal would get through."""
    is_cut = isinstance(error, requests.ConnectionError | requests.Timeout)
    return is_cut or bool(re.match("API request to .* failed with (timeout )?exception", str(error)))


def is_permanent(error: Exception) -> bool:
    """Whether the store answered that it will never take this."""
    status = _status(error)
    return status is not None and 400 <= status < 500 and status not in PASSING_HTTP_ERRORS


def _status(error: Exception) -> int | None:
    """The HTTP status of an answer, or the one that MLflow would give to it without a server."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return error.response.status_code
    if not hasattr(error, "get_http_status_code"):  # no MlflowException
        return None
    if said := re.search(r"failed with error code (\d{3})", str(error)):  # of a proxy, say: no answer of MLflow's own
        return int(said[1])
    answer: Any = error
    is_of_database = answer.error_code == "BAD_REQUEST"  # so MLflow calls whatever SQLAlchemy raises
    return None if is_of_database else answer.get_http_status_code()
