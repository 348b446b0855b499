"""results/, which `make results` writes, and how it does."""

import subprocess
from pathlib import Path

import pytest

from srlab import results


def test_the_clone_is_of_what_is_committed_and_follows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *words], cwd=tmp_path, check=True)

    git("init", "--quiet")
    monkeypatch.chdir(tmp_path)
    for text in ("one", "two"):
        Path("params.yaml").write_text(text, encoding="utf-8")
        git("add", "params.yaml")
        git("commit", "--quiet", "-m", text)
        Path("params.yaml").write_text("not committed", encoding="utf-8")
        results.clone(Path("work/results"))
        assert Path("work/results/params.yaml").read_text(encoding="utf-8") == text
        Path("work/results/params.yaml").write_text("of a profile", encoding="utf-8")
