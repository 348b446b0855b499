"""params.yaml as it is in the working tree, and what the profiles make of it."""

from pathlib import Path
from typing import Any

import yaml

from srlab.profile import changed

ROOT = Path(__file__).parents[2]
TEXTS = {"quick": (ROOT / "params.yaml").read_text(encoding="utf-8")}
TEXTS |= {
    path.stem: changed(TEXTS["quick"], path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "conf/profile").glob("*.yaml"))
}
PROFILES: dict[str, dict[str, Any]] = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
