"""How the tests are dealt out to two processes: `make test` runs `pytest -n 2`."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

pytest_plugins = ["trainings", "bench"]

if folder := os.environ.get("SRLAB_DATASETS"):  # tests change the working directory
    os.environ["SRLAB_DATASETS"] = str(Path(folder).resolve())

# No deadline: a busy machine is no failure. Derandomized: `make test` says of one commit the same thing twice.
# New examples are looked for on purpose: `pytest --hypothesis-profile=search`.
settings.register_profile("srlab", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)
settings.load_profile("srlab")


class ByFile(LoadScopeScheduling):
    """Keeps a file's tests together, since they share what is dear to set up; so do all tests of the pipeline.

    (`--dist loadgroup` would say it in a marker, but pytest-xdist 3.8 loses the groups under pytest 9.)
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "tests/pipeline" if file.startswith("tests/pipeline/") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """What pytest-xdist asks for before it deals out."""
    return ByFile(config, log)
