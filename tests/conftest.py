"""How the tests are dealt out to two processes: `make test` runs `pytest -n 2 --dist loadgroup`."""

import pytest


@pytest.hookimpl(tryfirst=True)  # before the hook in which pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests together, since they share what is dear to set up; so do all tests of the pipeline."""
    for item in items:
        group = "pipeline" if item.get_closest_marker("pipeline") else item.path.as_posix()
        item.add_marker(pytest.mark.xdist_group(group))
