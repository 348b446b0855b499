"""`srlab.load`: a released network, a file of weights or a method of params.yaml, ready to enlarge."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf

from srlab.errors import SrlabError
from srlab.models.base.trained import Trained, with_remarks
from srlab.models.base.weights import read_metadata
from srlab.stage import ROOT
from srlab.use.exported import READERS, Exported
from srlab.use.interpolated import move_back
from srlab.use.model import Model
from srlab.use.pretrained import build, read_card

RELEASED, CONF = ROOT / "pretrained", ROOT / "conf"


def load(
    name: str | Path = "srresnet", *, towards: str | Path | None = None, alpha: float = 0.5, **options: Any
) -> Model:
    """A network that is ready to enlarge images: `srlab.load("srresnet").upscale(image)`.

    Args:
        name: of a network in pretrained/, or a file of weights: of pretrained/ with its card beside it, or
            models/NAME/best.safetensors, which says itself how it is built; or a file of `srlab export`, .onnx or .xml.
        towards: name or file of a network like that one, which was trained on from it, as a GAN: the weights are
            (1 - alpha) * the one's + alpha * the other's (Wang et al., "ESRGAN", 2018, sec. 3.4).
        alpha: how far to go, 0 to 1.
        options: of `Model`: precision, tile, back_project.

    Raises:
        SrlabError: there is no such network, its file is damaged or does not say how to build it, or two do not fit.
    """
    if (path := _file(name)).suffix in READERS:
        if towards is not None:
            raise SrlabError(f"{name} is computed as it is: interpolate the weights that it was made of")
        exported = Exported(path)
        return Model(exported, exported.scale, **options)
    method, settings = trained(name)
    if towards is not None:
        start, own = method.net, settings
        method, settings = trained(towards)
        if settings != own:
            raise SrlabError(f"{towards} is {settings}, {name} is {own}: only equal networks can be interpolated")
        move_back(method.net, start, alpha)
        method.label = with_remarks(method.label, first=f"alpha {alpha:g}")
    return Model(method, method.net.scale, **options)


def load_method(name: str, scale: int | None = None, **options: Any) -> Model:
    """The method of a line of `classical` or `examples` of params.yaml, here or else the one that srlab brings.

    `scale`: default that of params.yaml. SrlabError if there is no such line, or its dictionary is not there.
    """
    params = next(path for path in (Path("params.yaml"), ROOT / "params.yaml") if path.exists())
    known: Any = OmegaConf.load(params)
    lines = {**known.classical, **known.examples}
    if name not in lines:
        raise SrlabError(f"there is no method {name} in {params}: choose one of {', '.join(lines)}")
    wanted = scale or known.scale
    overrides = [f"model={lines[name].method}", f"model.name={name}", f"scale={wanted}"]
    with TemporaryDirectory() as folder, initialize_config_dir(str(CONF), version_base="1.3"):
        Path(folder, params.name).write_text(params.read_text(encoding="utf-8"), encoding="utf-8")
        cfg = compose("evaluate", [*overrides, f"hydra.searchpath=[file://{folder}]"])
        try:
            return Model(instantiate(cfg.model.method), wanted, **options)
        except InstantiationException as error:
            raise (error.__cause__ or error) from None


def trained(name: str | Path) -> tuple[Trained, dict[str, Any]]:
    """The network of that name or file of weights, and how it is built."""
    path = _file(name)
    if path.with_suffix(".json").exists():
        card = read_card(path)
        label, settings = card["label"], card["network"]
    else:
        facts = read_metadata(path)
        if "network" not in facts:
            raise SrlabError(f"{path} does not say how its network is built: train it again, or `srlab release` it")
        label, settings = facts["method"], facts["network"]
    return Trained(label, build(settings), str(path)), settings


def _file(name: str | Path) -> Path:
    known = sorted(card.stem for card in RELEASED.glob("*.json"))
    path = RELEASED / f"{name}.safetensors" if str(name) in known else Path(name)
    if not path.is_file():
        raise SrlabError(
            f"there is no network {name}: choose one of {', '.join(known)}, or a file, as models/NAME/best.safetensors"
        )
    return path
