"""reports/index.html: the report as one file that asks nobody for anything, with pictures to compare by eye."""

import base64
import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader
from markdown_it import MarkdownIt
from markupsafe import Markup
from omegaconf import OmegaConf
from PIL import Image

from srlab.degradation.pairs import PairStore
from srlab.evaluation.metrics.catalogue import METRICS
from srlab.files import replacing
from srlab.images.files import read_image
from srlab.report.figures import detail_window
from srlab.report.page import sample_file
from srlab.report.table import markdown

Metrics = Mapping[str, Any]  # what `evaluation.scores.under` returns
Part = tuple[Path, str]  # Markdown, and before it the folder that its pictures are in

BUDGET, PER_PIXEL, LARGEST = 5_500_000, 0.25, 400  # bytes of all crops; of a pixel (0.19 measured); px of a side
QUALITY, MAP_QUALITY = 85, 60  # of WebP
GAIN = 4  # of the difference maps: 64 grey levels are white
SCROLLS = '<div class="scrolls" tabindex="0">'
REPRODUCE = """\
## How to get the same

```bash
git checkout "$(git log -1 --format=%H -- reports/summary.md)"   # the commit that holds these figures
make setup && make repro                                         # the settings of params.yaml, as they are there
dvc repro report                                                 # this page alone
```

The settings that these figures depend on (SHA-256 of the text: `{digest}`):

```yaml
{settings}
```
"""


def gallery(metrics: Sequence[Metrics], pairs: Path, samples: Path, crop_size: int) -> dict[str, Any]:
    """What the slider shows: {"names": of the original and the methods, "images": one for each sample that was kept}.

    An image has a title, its methods' scores, and as base64 of WebP the same crop of each (RGB, by `detail_window`) and
    its difference map: the mean over RGB and 2x2 px of |SR - HR|, times GAIN. `detail` is the (left, top, side) of the
    `crop_size` px window for the small tiles, as shares of the crop. Crops are smaller the more there are.
    SrlabError if a method lacks a sample that another has.
    """
    first = samples / metrics[0]["method"]
    stores = {name: PairStore(pairs / name) for name in metrics[0]["datasets"]}
    kept = [
        (name, image)
        for name, store in stores.items()
        for image in store.test
        if (first / name / f"{image}.png").exists()
    ]
    wanted = crop_side(len(kept) * (len(metrics) + 1))
    images = []
    for name, image in kept:
        hr = stores[name].hr(image)
        row, column, side = detail_window(hr, min(wanted, *hr.shape[:2]))
        window = (slice(row, row + side), slice(column, column + side))
        outputs = [read_image(sample_file(samples, one["method"], name, image))[window] for one in metrics]
        top, left, detail = detail_window(hr[window], min(crop_size, side))
        found = [one["datasets"][name]["images"][image] for one in metrics]
        images.append(
            {
                "title": f"{name}: {image}",
                "detail": [left / side, top / side, detail / side],
                "scores": ["", *(_scores(scores) for scores in found)],
                "crops": [webp(pixels, quality=QUALITY) for pixels in (hr[window], *outputs)],
                "maps": [difference_map(pixels, hr[window]) for pixels in (hr[window], *outputs)],
            }
        )
    return {"names": ["Original", *(one["label"] for one in metrics)], "images": images}


def crop_side(num: int) -> int:
    """Side in px of each of `num` crops that together stay within the BUDGET."""
    return min(LARGEST, int(sqrt(BUDGET / PER_PIXEL / max(num, 1))))


def difference_map(sr: np.ndarray, hr: np.ndarray) -> str:
    """Where uint8 `sr` (H, W, C) differs from `hr`, as base64 of a grey WebP of half the size."""
    errors = np.abs(sr.astype(np.int64) - hr).mean(axis=2)
    height, width = (side // 2 * 2 for side in errors.shape)
    pooled = errors[:height, :width].reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
    return webp(np.minimum(GAIN * pooled + 0.5, 255).astype(np.uint8)[..., None], quality=MAP_QUALITY)


def webp(pixels: np.ndarray, **options: Any) -> str:
    """Base64 of a WebP of uint8 (H, W, 1 or 3)."""
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, "WEBP", **options)
    return base64.b64encode(file.getvalue()).decode()


def about(
    metrics: Sequence[Metrics], manifests: Mapping[str, Mapping[str, Any]], sheets: Path, settings: Mapping[str, Any]
) -> list[Part]:
    """The data with the sheets of `sheets`/<set>, what the canary read, and how to get the same figures."""
    data = [
        [f"`{name}`", one["source"], str(one["got"]), (one.get("verified") or {}).get("title", "no"), _digest(one)]
        for name, one in manifests.items()
    ]
    table = markdown(["Set", "Source", "Images", "Verified by pixels", "SHA-256 of the images"], data, num_text=5)
    pages = [(sheets / name, (sheets / name / "selection.md").read_text("utf-8")) for name in manifests]
    text = OmegaConf.to_yaml(OmegaConf.create(dict(settings)), resolve=True).rstrip()
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return [
        (sheets, f"## The data\n\n{table}"),
        *((folder, page.replace("# ", "### ", 1)) for folder, page in pages),
        (sheets, _canary(metrics[0])),
        (sheets, REPRODUCE.format(digest=digest, settings=text)),
    ]


def write_offline_page(folder: Path, shown: Mapping[str, Any], parts: Sequence[Part]) -> None:
    """Write `folder`/index.html atomically: `folder`/summary.md with its pictures, the gallery `shown`, the `parts`.

    The same inputs give the same bytes.
    """
    summary = (folder / "summary.md").read_text("utf-8")
    html = "".join(_html(text, place) for place, text in [(folder, summary), *parts])
    first, *others = re.split("<h2>(.*?)</h2>", html)
    title, first = re.findall("<h1>(.*?)</h1>(.*)", first, re.DOTALL)[0]
    sections = [(name, Markup(body)) for name, body in zip(others[::2], others[1::2], strict=True)]
    page = page_of("offline.html", title=title, first=Markup(first), sections=sections, gallery=shown, gain=GAIN)
    with replacing(folder / "index.html") as temporary:
        temporary.write_text(page, "utf-8")


def page_of(template: str, **content: Any) -> str:
    """The HTML that a template of this package makes of `content`; words in it are escaped."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return templates.get_template(template).render(content)


def _html(text: str, folder: Path) -> str:
    """Markdown as HTML: wide tables and pictures scroll by themselves, and pictures of `folder` are part of it."""
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    html = re.sub(r"<th(?=[ >])", '<th scope="col"', html)
    html = html.replace("<table>", f"{SCROLLS}<table>").replace("</table>", "</table></div>")
    html = html.replace("<pre>", '<pre tabindex="0">')

    def figure(found: re.Match[str]) -> str:
        file, alt = found.groups()
        image = f'<img src="data:image/webp;base64,{_picture(folder / file)}" alt="{alt}" loading="lazy">'
        return f"<figure>{SCROLLS}{image}</div><figcaption>{alt}</figcaption></figure>"

    return re.sub('<p><img src="([^"]+)" alt="([^"]*)" /></p>', figure, html)


def _picture(file: Path) -> str:
    """Base64 of a picture as WebP: without loss where that is smaller, as of a chart."""
    pixels = read_image(file)
    return min(webp(pixels, lossless=True), webp(pixels, quality=QUALITY), key=len)


def _scores(scores: Mapping[str, float]) -> str:
    return ", ".join(
        f"{METRICS[key].label} {METRICS[key].text(value)} {METRICS[key].unit}".strip() for key, value in scores.items()
    )


def _digest(manifest: Mapping[str, Any]) -> str:
    found = "".join(f"{name} {one['sha256']}\n" for name, one in sorted(manifest["images"].items()))
    return f"`{hashlib.sha256(found.encode()).hexdigest()[:16]}`"


def _canary(one: Metrics) -> str:
    """What the metrics read before anything was scored, beside what is known: the ruler itself was measured."""
    lines = []
    for reading in one["readings"]:
        known = reading["known"]
        cells = [known["set"], known["protocol"], known["method"]]
        for key in ("psnr", "ssim"):
            cells += [METRICS[key].text(reading[key]), METRICS[key].text(known[key])]
        lines.append([*cells, f"{known['by']}: {known['source']}"])
    table = markdown(
        ["Images", "Protocol", "Method", "PSNR (dB)", "known", "SSIM", "known", "Source"], lines, num_text=3
    )
    return f"## The ruler\n\nWhat the metrics read on known images before they scored anything.\n\n{table}"
