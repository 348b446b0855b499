"""A trained network in MLflow's registry: a logged model that enlarges images, `models:/srlab-NAME@best` the best one.

As everything that is delivered, it can be sent twice: what is there already is found by the run.
"""

import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
from mlflow.entities import LoggedModelOutput
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

BEST, LOGGED = "best", "network"  # the alias; the name of the model within its run
LOADER = "srlab.use.served"
TAKES = "uint8 (B, height, width, 3), RGB; `Enlarger` checks them"
IMAGES = Schema([TensorSpec(np.dtype(np.uint8), (-1, -1, -1, 3))])  # (B, height, width, RGB)


def register(client: Any, run_id: str, experiment_id: str, weights: Path, entry: dict[str, Any]) -> None:
    """Log what `Tracker.model` noted, and make it a version of srlab-NAME; the alias moves if it is the best now.

    The best by validation, among those of the data set that was trained on last.
    """
    model, name = _logged(client, run_id, experiment_id, weights, entry), f"srlab-{entry['name']}"
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    found = client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
    place, tags = model.artifact_location, entry["tags"]
    version = (found or [client.create_model_version(name, place, run_id, tags, model_id=model.model_id)])[0]
    best = client.get_registered_model(name).aliases.get(BEST)
    there = client.get_model_version(name, best).tags if best else {}
    value, sign = entry["value"], entry["sign"]
    is_comparable = there.get("data") == tags["data"] and value in there
    if not is_comparable or sign * float(tags[value]) > sign * float(there[value]):
        client.set_registered_model_alias(name, BEST, version.version)


def _logged(client: Any, run_id: str, experiment_id: str, weights: Path, entry: dict[str, Any]) -> Any:
    filters = f"source_run_id = '{run_id}' and name = '{LOGGED}'"
    model = next(iter(client.search_logged_models([experiment_id], filters)), None)
    if model is None:
        model = client.create_logged_model(experiment_id, LOGGED, run_id, tags=entry["tags"])
    if model.status != "READY":
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):  # no example is given
            data, made = Path(folder, "weights"), Path(folder, "model")
            data.mkdir()
            (data / "network.safetensors").symlink_to(weights.resolve())
            (data / "network.json").write_text(json.dumps(entry["network"], indent=2), encoding="utf-8")
            described = Model(run_id=run_id, model_id=model.model_id, artifact_path=model.artifact_location)
            # By a schema of inputs a server makes uint8 of whatever it is sent: 0 of the floats in [0, 1].
            signature, needs = ModelSignature(outputs=IMAGES), ["srlab"]
            mlflow.pyfunc.save_model(
                str(made),
                LOADER,
                str(data),
                mlflow_model=described,
                signature=signature,
                pip_requirements=needs,
                metadata={"inputs": TAKES},
            )
            client.log_model_artifacts(model.model_id, str(made))
        model = client.finalize_logged_model(model.model_id, "READY")
    if not client.get_run(run_id).outputs.model_outputs:
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    return model
