"""`srlab plan`: which trainings are probed, by which numbers, and what is said of those that fail."""

import dataclasses
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from profiles import PROFILES, TEXTS

from srlab.cli import main
from srlab.errors import SrlabError
from srlab.evaluation import machine
from srlab.planning import plan as planning
from srlab.planning.plan import in_a_process, plan
from srlab.planning.probed import Probed, Training

ROOT = Path(__file__).parents[2]
LINES = {name: [*params["models"], *params["gans"]] for name, params in PROFILES.items()}
SEEN = Probed([100], 10**9, "a CPU", 1, "32-true", 10**9, 10**8, 20, 0.1, 384, 0.2, [])


@pytest.fixture(autouse=True)
def without_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU of which one trainer is shown."""
    monkeypatch.setattr(planning, "cpu_has_bf16", lambda: False)


class Prober:
    """Remembers what it is asked to probe, and fails on demand."""

    def __init__(self, *failing: str) -> None:
        self.asked: dict[str, Training] = {}
        self.failing = failing

    def __call__(self, training: Training) -> Probed:
        self.asked[training.name] = training
        if training.name in self.failing:
            raise SrlabError("out of memory")
        return SEEN


@pytest.mark.parametrize("profile", PROFILES)
def test_every_network_of_a_profile_is_probed(profile: str) -> None:
    prober = Prober()
    plan(profile, [], [], 20, prober)
    assert list(prober.asked) == LINES[profile]
    for name, training in prober.asked.items():
        line = {**PROFILES[profile]["models"], **PROFILES[profile]["gans"]}[name]
        assert (training.data["batch_size"], training.data["patch_size"]) == (line["batch_size"], line["patch_size"])
        assert (training.patience, training.scale) == (line["patience"], PROFILES[profile]["scale"])
        assert training.trainer["lightning"]["max_epochs"] == line["max_epochs"]


def test_a_gan_alone_is_described_with_its_generator_and_its_content_loss() -> None:
    prober = Prober()
    plan("paper", ["srgan"], [], 7, prober)
    assert [training.num_steps for training in prober.asked.values()] == [7]
    module, line = prober.asked["srgan"].module, PROFILES["paper"]["gans"]["srgan"]
    assert module["generator"]["net"]["num_blocks"] == PROFILES["paper"]["models"]["srresnet"]["num_blocks"]
    assert (module["content"]["layer"], module["discriminator"]["base"]) == (line["content"], line["base_features"])


def test_without_a_profile_it_is_the_params_yaml_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SrlabError, match=r"no params\.yaml in .*: name a profile"):
        plan(None, [], [], 20, Prober())
    params = PROFILES["smoke"]
    models = {"espcn": params["models"]["espcn"] | {"batch_size": 5}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params | {"models": models, "gans": {}}))
    prober = Prober()
    plan(None, [], [], 20, prober)
    assert {name: training.data["batch_size"] for name, training in prober.asked.items()} == {"espcn": 5}


@pytest.mark.parametrize(
    ("has_bf16", "words", "shown"),
    [
        (False, "", ["default"]),
        (False, "trainer=gpu", ["gpu"]),
        (True, "", ["default", "cpu_bf16"]),  # as nobody has said which one is wanted
        (True, "trainer=default", ["default"]),
        (True, "run_on=gpu", ["gpu"]),
    ],
)
def test_the_trainer_is_that_of_run_on_or_the_named_one_and_bf16_is_shown_beside_float32(
    has_bf16: bool, words: str, shown: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(planning, "cpu_has_bf16", lambda: has_bf16)
    prober = Prober()
    plan("smoke", ["espcn"], [*words.split(), "models.espcn.batch_size=32"], 20, prober)
    assert re.findall(r"Profile smoke, conf/trainer/(\w+)\.yaml", capsys.readouterr().out) == shown
    training = prober.asked["espcn"]
    assert training.trainer["lightning"]["precision"] == ("32-true" if shown[-1] == "default" else "bf16-mixed")
    assert training.data["chunk"] == training.trainer["chunk"] > 1
    assert training.data["batch_size"] == 32


def test_a_budget_of_time_is_asked_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Profile smoke: 16 patches by 4 are 4 steps of 0.1 s, and an image of 0.2 s, an epoch of 0.6 s."""
    monkeypatch.setattr(planning, "in_a_process", Prober())
    main(["plan", "smoke", "--only", "espcn", "srgan", "--minutes", "1"])
    printed = capsys.readouterr().out
    assert "espcn  100 epochs: models.espcn.max_epochs=100 models.espcn.patience=100" in printed
    assert "gans.srgan.max_epochs=" in printed


def test_one_failure_leaves_the_others_their_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SrlabError, match="vdsr, drcn could not be probed"):
        plan("smoke", [], [], 20, Prober("drcn", "vdsr"))
    lines = capsys.readouterr().out.splitlines()
    assert "drcn: out of memory" in lines
    table = {line.split()[0] for line in lines if "x 16" in line}
    assert table == {*LINES["smoke"]} - {"drcn", "vdsr"}


@pytest.mark.parametrize("load", [0.2, 3.25])
def test_a_busy_machine_is_named(
    load: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine.os, "getloadavg", lambda: (load, 0.0, 0.0))
    plan("smoke", ["espcn"], [], 20, Prober())
    assert ("a load of 3.2 on" in capsys.readouterr().out) == (load > 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nonesuch", "there is no profile nonesuch: choose one of quick, paper, results, smoke"),
        ("smoke --only nonesuch", "there is no network nonesuch here: choose of srcnn"),
        ("smoke quick", "one profile at a time, not smoke, quick"),
        ("smoke --steps 0", "give --steps 1 or more"),
        ("smoke --minutes 0", "give --minutes above 0"),
        ("smoke --only espcn models.espcn.nonesuch=1", "Could not override 'models.espcn.nonesuch'"),
        ("smoke --only espcn models.espcn.schedule=nonesuch", "nonesuch"),
        ("smoke --only espcn run_on=nonesuch", "Could not find 'trainer/nonesuch'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(planning, "in_a_process", Prober())
    with pytest.raises(SystemExit) as caught:
        main(["plan", *arguments.split()])
    said = f"{caught.value}\n{capsys.readouterr().out}"
    assert any(line for line in said.splitlines() if message in line)
    assert str(caught.value).startswith("error: ")
    assert "\n" not in str(caught.value)


TRAINING = Training("espcn", 0, 1, 4, 1, {}, {}, {}, 1)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("kill -KILL $$", "was killed, as the system does when memory is short: lower its batch_size or patch_size"),
        ("kill -SEGV $$", "died of SIGSEGV"),
        ("echo more >&2; echo error: no such thing >&2; exit 1", "no such thing"),
        ("exit 3", "ended with exit code 3 and no message"),
    ],
)
def test_a_process_that_dies_is_one_line(
    script: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    monkeypatch.setattr(planning.sys, "executable", str(python))
    with pytest.raises(SrlabError) as caught:
        in_a_process(TRAINING)
    assert str(caught.value) == message


@contextmanager
def memory(num_bytes: int) -> Iterator[None]:
    """Processes started meanwhile get no more."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def test_real_probes_of_a_network_that_fits_in_memory_and_of_one_that_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Probed] = []

    def remembering(training: Training) -> Probed:
        seen.append(in_a_process(training))
        return seen[-1]

    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(TEXTS["smoke"])
    # VDSR's first layer alone would make 2048 * 64 * 96 * 96 floats, 4.8 GB
    large = ["models.vdsr.batch_size=2048", "models.vdsr.num_features=64", "models.vdsr.patch_size=96"]
    wide = ["models.srcnn.batch_size=16", "models.srcnn.patch_size=96"]
    with memory(4 * 10**9), pytest.raises(SrlabError, match=r"^vdsr could not be probed"):
        plan(None, ["srcnn", "vdsr"], [*large, *wide, "trainer.chunk=1"], 2, remembering)
    out = capsys.readouterr().out
    assert "vdsr: train vdsr: out of memory: lower its batch_size" in out
    (srcnn,) = seen
    # 9-1-5 with 64 and 32 filters (Dong et al. 2016, sec. 4.1): 5,184 + 64, 2,048 + 32, 800 + 1
    assert srcnn.num_parameters == [8129]
    assert srcnn.multiply_adds == (5184 + 2048 + 800) * 1280 * 720
    assert srcnn.num_steps == 2
    assert srcnn.image_seconds > 0 < srcnn.step_seconds
    # a float of every filter at every pixel of the batch has to be kept for the backward pass
    assert srcnn.peak_bytes is not None
    assert srcnn.idle_bytes is not None
    assert srcnn.peak_bytes - srcnn.idle_bytes > (64 + 32) * 16 * 96 * 96 * 4
    assert dataclasses.asdict(srcnn)["remarks"] == []
    assert any(line.split()[:2] == ["srcnn", "8,129"] for line in out.splitlines())
