"""The protocols of conf/protocol/, as objects."""

from pathlib import Path

import yaml

from srlab.evaluation.protocol import Protocol

FOLDER = Path(__file__).parents[2] / "conf/protocol"
PROTOCOLS = {
    path.stem: Protocol(**{key: value for key, value in yaml.safe_load(path.read_text()).items() if key != "_target_"})
    for path in sorted(FOLDER.glob("*.yaml"))
}
CLASSIC, MODERN = PROTOCOLS["classic"], PROTOCOLS["modern"]
