"""The two protocols written down again, from MATLAB's and the papers' formulas, in numpy and scikit-image.

It shares no code with srlab: what it gives for nearest and bicubic is what `known_scores.csv` calls computed.
"""

import numpy as np
from skimage.metrics import structural_similarity


def weights(n_in: int, n_out: int) -> np.ndarray:
    """(n_out, n_in): MATLAB's `contributions` for bicubic with antialiasing and mirrored borders."""
    factor = n_out / n_in
    stretch = min(factor, 1.0)
    matrix = np.zeros((n_out, n_in))
    for i in range(n_out):
        centre = (i + 0.5) / factor - 0.5
        taps = np.arange(int(np.floor(centre - 2 / stretch)), int(np.ceil(centre + 2 / stretch)) + 1)
        t = np.abs(centre - taps) * stretch
        near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
        w = np.where(t <= 1, near, np.where(t < 2, far, 0))
        mirrored = np.mod(taps, 2 * n_in)
        np.add.at(matrix[i], np.minimum(mirrored, 2 * n_in - 1 - mirrored), w / w.sum())
    return matrix


def rounded(levels: np.ndarray) -> np.ndarray:
    return np.clip(np.floor(levels + (0.5 + 1e-9)), 0, 255)  # 1e-9: what float64 puts below a half is a half


def resized(x: np.ndarray, height: int, width: int, *, rounds: bool) -> np.ndarray:
    """(H, W, C) float64 levels: height first; `rounds` to 8 bit after each pass."""
    for axis, side in ((0, height), (1, width)):
        x = np.moveaxis(np.tensordot(weights(x.shape[axis], side), x, (1, axis)), 0, axis)
        x = rounded(x) if rounds else x
    return x


def enlarged(x: np.ndarray, scale: int, method: str) -> np.ndarray:
    if method == "nearest":
        return rounded(x.repeat(scale, axis=0).repeat(scale, axis=1))
    return rounded(resized(x, x.shape[0] * scale, x.shape[1] * scale, rounds=False))


def luma(rgb: np.ndarray) -> np.ndarray:
    return rgb @ np.array([65.481, 128.553, 24.966]) / 255 + 16


def scores(image: np.ndarray, scale: int, method: str, protocol: str) -> tuple[float, float]:
    """(PSNR in dB, SSIM) of `method`, nearest or bicubic, on a uint8 image (H, W, 1 or 3) that `scale` divides."""
    original = image.astype(np.float64)
    size = (image.shape[0] // scale, image.shape[1] // scale)
    if protocol == "modern":
        original = original.repeat(3 // original.shape[2], axis=2)
        result = luma(enlarged(resized(original, *size, rounds=True), scale, method))
        original = luma(original)
    else:  # luma first, and LR not rounded: the scripts of A+, SRCNN and VDSR
        original = original if image.shape[2] == 1 else rounded(luma(original))[..., None]
        result = enlarged(resized(original, *size, rounds=False), scale, method)[..., 0]
        original = original[..., 0]
    inside = (slice(scale, -scale), slice(scale, -scale))
    result, original = result[inside], original[inside]
    psnr = 10 * np.log10(255**2 / np.mean((result - original) ** 2))
    _, whole = structural_similarity(
        result, original, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    return float(psnr), float(whole[5:-5, 5:-5].mean())
