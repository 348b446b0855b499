"""The result of `benchmark.evaluate` as flat rows, for a tracker."""

from collections.abc import Mapping
from typing import Any

Metrics = Mapping[str, Any]  # what `evaluate` returns


def set_scores(one: Metrics) -> dict[str, float]:
    """{"test/<set>/psnr": dB, "test/<set>/ssim"} of one method."""
    return {f"test/{name}/{key}": scores[key] for name, scores in one["datasets"].items() for key in ("psnr", "ssim")}


def cost_scores(cost: Mapping[str, Any]) -> dict[str, float]:
    """{"cost/<name>": number} of what `cost.measure` returns; what was not measured is left out."""
    return {f"cost/{key}": value for key, value in cost.items() if isinstance(value, int | float)}


def image_rows(one: Metrics) -> list[dict[str, Any]]:
    """One {"set", "image", "psnr" in dB, "ssim"} per test image of one method, unrounded."""
    return [
        {"set": name, "image": image, **found}
        for name, scores in one["datasets"].items()
        for image, found in scores["images"].items()
    ]
