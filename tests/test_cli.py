"""The command line: what it accepts, and one line on what it does not."""

from pathlib import Path

import pytest

from srlab.cli import main


def test_a_table_is_audited(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.csv").write_text("set,metric,Bicubic\nSet5,psnr,28.42\nSet5,ssim,0.8104\n")
    main(["audit", str(tmp_path / "t.csv")])
    assert "[protocol] the bicubic row fits x4, MATLAB bicubic both ways; studio-range luma" in one_line(capsys)


def test_a_figure_is_audited(capsys: pytest.CaptureFixture[str]) -> None:
    main(["audit", "--set", "set5", "--method", "Bicubic", "--psnr", "27.10", "--scale", "4"])
    assert "full-range luma" in one_line(capsys)


def test_another_scale_is_asked_for_by_scale(capsys: pytest.CaptureFixture[str]) -> None:
    main(["audit", "--set", "Set14", "--method", "bicubic", "--psnr", "30.24", "--ssim", "0.8688", "--scale", "2"])
    assert "the bicubic row fits x2, MATLAB bicubic both ways; studio-range luma" in one_line(capsys)


def test_send_looks_where_trainings_leave_what_waits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    main(["send"])
    assert capsys.readouterr().out == f"nothing waits in {tmp_path}/mlflow-outbox\n"


@pytest.mark.parametrize("command", ["check", "promote espcn_lr_batch"])
def test_a_params_yaml_that_is_no_yaml_is_said_in_one_line(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "params.yaml").write_text("a: [")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"^error: params\.yaml is no YAML \(.*\): correct that place$"):
        main(command.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("audit", "name a table"),
        ("audit --set Set5 --psnr 28.42", "name a table"),
        ("audit --set Set5 --method bicubic", "at least one of --psnr and --ssim"),
        ("audit --set Mars --method bicubic --psnr 28.42", "set 'Mars' is unknown"),
        ("audit --set Set5 --method bicubic --psnr high", "psnr 'high' is no number"),
        ("audit nowhere.csv", "nowhere.csv cannot be read"),
        ("audit nowhere.csv --set Set5", "either a table or"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments: str, message: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments.split())
    assert str(caught.value).startswith("error: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())
