"""What is asked of MLflow, and not told to it. Imports mlflow, which takes seconds."""

from collections.abc import Callable
from typing import Any

from srlab.errors import SrlabError
from srlab.tracking.answers import trouble
from srlab.tracking.delivery import client_of, known


def hours_of(uri: str, run_id: str, metric: str) -> float | None:
    """From the start of a run to its last value of `metric`, pauses included; None if it has none.

    SrlabError if the store does not answer.
    """
    client = client_of(uri)
    start = _asked(uri, lambda: client.get_run(run_id).info.start_time)
    times = [one.timestamp for one in _asked(uri, lambda: client.get_metric_history(run_id, metric))]
    return (max(times) - start) / 3.6e6 if times else None


def run_list(uri: str, experiment: str) -> str:
    """Where MLflow's UI lists the runs of an experiment as trainings, behind the address of the server; "" if nowhere.

    SrlabError if the store does not answer.
    """
    found = _asked(uri, lambda: client_of(uri).get_experiment_by_name(experiment))
    return f"/#/experiments/{found.experiment_id}/runs?workflowType=machine_learning" if found else ""


def tags_of(uri: str, run_id: str) -> dict[str, str] | None:
    """The tags of a run; None if there is none of that id. SrlabError if the store does not answer."""
    run = _asked(uri, lambda: known(client_of(uri), run_id))
    return dict(run.data.tags) if run else None


def _asked(uri: str, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:
        raise SrlabError(f"MLflow at {uri} {trouble(error)}") from error
