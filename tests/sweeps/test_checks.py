"""What makes no sense is said in one line, before anything is trained."""

import sys

import pytest
from bench import Bench


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["models.espcn.lrr=1,2"], "Could not override 'models.espcn.lrr'"),
        (["model=espcn,nonsense"], "nonsense"),
        (["models.espcn.lr=choice(a, b)"], "espcn.lr: a is of type str, and its value now, 0.001, of type float"),
        (["models.espcn.batch_size=interval(1, 8)"], "of type int; write int(interval(1, 8))"),
        (["models.espcn.batch_size=choice(4, 8.5)"], "8.5 is of type float, and its value now, 4, of type int"),
        (["models.espcn.schedule=cosine,plateau,nonsense"], "nonsense"),
        (["models.srcnn.lr=1e-3,1e-4"], "models.srcnn.lr changes nothing in the training of espcn"),
        (["trainer.checkpoint_minutes=1,2"], "trainer.checkpoint_minutes changes nothing in the training of espcn"),
        (["models.espcn.lr=1,2", "models.espcn.lr=3,4"], "models.espcn.lr is swept over twice"),
        (["models.espcn=1,2"], "models.espcn is not a value but a part of the config"),
        (["models.espcn.lr=interval(1e-4, 1e-2)"], "models.espcn.lr=interval(1e-4, 1e-2) has no end of values"),
        (["models.espcn.lr=interval(1e-4, 1e-2)", "sweep/sampler=tpe"], "set sweep.num_trials"),
        ([], "nothing to sweep over"),
        (["models.espcn.lr=1,2", "sweep.objectives={val/psnr:most}"], "maximize or minimize, not val/psnr: most"),
        (
            ["models.espcn.lr=1,2", "+sweep.objectives.multiply_adds=minimize", "sweep/pruner=median"],
            "val/psnr, multiply_adds cannot be judged epoch by epoch: set sweep/pruner=none",
        ),
        (["models.espcn.lr=1,2", "sweep.storage=postgresql://me:secret@host/db"], "give the storage as SRLAB_STUDIES"),
        (["models.espcn.lr=1,2", "sweep.name='a b'"], "'a b' cannot"),
        (["models.espcn.lr=1,2", "trainer.lightning.devices=2"], "a trial trains on one device"),
        (
            ["models.espcn.lr=1,2", "hydra.launcher._target_=other.Launcher"],
            "error: hydra/launcher is other.Launcher: choose joblib, ray, slurm, or none",
        ),
    ],
)  # fmt: skip
def test_a_search_space_that_makes_no_sense(bench: Bench, words: list[str], line: str) -> None:
    assert line in bench.refused("model=espcn", *words)
    assert not list(bench.root.glob("sweeps/finished/*"))
    assert not (bench.root / "mlflow-outbox").exists()


@pytest.mark.parametrize(
    ("word", "stage", "cure"),
    [
        ("scale=2,4", "", "dvc exp run --queue -S 'scale=2,4' and then: dvc queue start"),
        ("degrade.sigma.max=choice(1.0, 2.0)", "degrade", "--queue -S 'degrade.sigma.max=1.0,2.0'"),
        ("datasets.photos.selection=none,sharp", "fetch", "--queue"),
        ("degrade.noise.max=9.0", "degrade", "run dvc exp run -S 'degrade.noise.max=9.0'"),
    ],
)
def test_settings_of_the_data_belong_to_dvc(bench: Bench, word: str, stage: str, cure: str) -> None:
    line = bench.refused("model=espcn", "models.espcn.lr=1e-3,1e-4", word)
    assert line.startswith(f"error: {word.partition('=')[0]} is a setting of the data (stage {stage}")
    assert cure in line


def test_without_data_it_says_so(bench: Bench) -> None:
    (bench.root / "data/pairs/train/photos").rename(bench.root / "elsewhere")
    assert "data/pairs/train/photos" in bench.refused("model=espcn", "models.espcn.lr=1e-3,1e-4")


def test_without_optuna_it_says_what_to_install(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    import hydra_plugins.srlab_sweeps.sweeper as plugin

    monkeypatch.setattr(plugin, "find_spec", lambda name: None)
    assert ".[sweep]" in bench.refused("model=espcn", "models.espcn.lr=1e-3,1e-4")


@pytest.mark.parametrize(("launcher", "module"), [("ray", "ray"), ("slurm", "submitit")])
def test_without_an_engine_it_says_what_to_install(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, launcher: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    line = bench.refused("model=espcn", "models.espcn.lr=1e-3,1e-4", f"hydra/launcher={launcher}")
    assert "is not installed: .venv/bin/pip install -c requirements.lock" in line
    assert not (bench.root / "mlflow-outbox").exists()


def test_a_storage_that_does_not_answer(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRLAB_STUDIES", "sqlite:////no/such/folder/studies.db")
    line = bench.refused("model=espcn", "models.espcn.lr=1e-3,1e-4")
    assert "the storage of studies does not answer (SRLAB_STUDIES)" in line
