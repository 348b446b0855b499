"""`python pipelines/train.py -m ...`: hands a sweep to srlab.sweeps. Hydra imports this at every start: it is light."""

import errno
import sys
from importlib.util import find_spec
from typing import Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from srlab.errors import SrlabError


class Trials(Sweeper):
    """The sweeper of conf/hydra/sweeper/trials.yaml."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.given = (hydra_context, config, task_function)

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep that the words of the command line, without Hydra's own, ask for."""
        try:
            if find_spec("optuna") is None:
                raise SrlabError("Optuna is not installed: .venv/bin/pip install -c requirements.lock -e '.[sweep]'")
            from srlab.models.base.kernels import use_kernels
            from srlab.sweeps.jobs import Hydra
            from srlab.sweeps.launchers import launcher_of

            config = self.given[1]
            use_kernels(config.kernels, config.trainer.lightning.precision if "trainer" in config else "32-true")
            launcher = launcher_of(config)
            launcher.warm_up()
            from srlab.sweeps.driver import drive  # seconds of imports

            return drive(Hydra(*self.given), launcher, arguments)
        except KeyboardInterrupt:
            print("stopped: the same line again resumes the sweep", file=sys.stderr)
            sys.exit(130)
        except (SrlabError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            sys.exit(f"error: {error}")
