"""The operator that reconstruction inverts: the LR images' own, with its true adjoint and norm."""

import numpy as np
import pytest
import torch
from shots import rand

from srlab.classical.observation import MARGIN, Observation, Separable, observation
from srlab.degradation.imaging import DrawnImaging

TERMS = {
    "D": {},
    "shift": {"shift_right": 1.3, "shift_down": -0.6},
    "rotation": {"rotation": 2.0},
    "sigma": {"sigma": 1.2},
    "anisotropy": {"sigma": 1.5, "anisotropy": 0.4, "sigma_angle": 30.0},
    "length": {"length": 3.0, "length_angle": 70.0},
    "kernel": {"kernel": "digest"},
    "shift and sigma": {"shift_right": 2.0, "shift_down": 2.0, "sigma": 1.2},
    "all": {"shift_right": 0.5, "rotation": -1.0, "sigma": 0.9, "length": 2.0, "length_angle": 10.0},
}
SMOOTH = ("shift", "shift and sigma", "sigma")  # terms of Separable
every_term = pytest.mark.parametrize("term", TERMS)


def drawn(term: str, scale: int, method: str = "bicubic") -> DrawnImaging:
    kernel = torch.tensor([[0.0, 0.1, 0.0], [0.3, 0.4, 0.1], [0.0, 0.1, 0.0]], dtype=torch.float64)
    return DrawnImaging(scale, method, TERMS[term], kernel if term == "kernel" else None)


TERMS_AND_SCALES = [*((term, 2 + number % 3) for number, term in enumerate(TERMS)), ("D", 8), ("all", 8)]


@pytest.mark.parametrize(("term", "scale"), TERMS_AND_SCALES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_the_adjoint_is_the_adjoint(term: str, scale: int, dtype: torch.dtype, tolerance: float) -> None:
    operator = observation(drawn(term, scale))
    x, y = rand(2, 1, 11 * scale, 7 * scale, dtype=dtype), rand(2, 1, 11, 7, dtype=dtype, seed=1)
    left, right = (operator.forward(x) * y).double().sum(), (x * operator.adjoint(y)).double().sum()
    # of sums over positive values, hence relative to them: float32 has 6e-8 a step, float64 1e-16
    assert left.item() == pytest.approx(right.item(), rel=tolerance)


@every_term
def test_it_is_what_makes_the_lr_images(term: str) -> None:
    hr = np.random.default_rng(0).integers(0, 256, (24, 36, 3), dtype=np.uint8)
    draw = drawn(term, 2, "bicubic_float")
    levels = observation(draw).forward(torch.from_numpy(hr / 255.0).permute(2, 0, 1)[None])[0].permute(1, 2, 0) * 255
    difference = draw(hr)[1] - levels.clamp(0, 255).numpy()
    assert np.abs(difference).max() < 0.501  # rounded to 8 bit; the LR image's blur is float32, off by 1e-4 levels


@pytest.mark.parametrize(("term", "scale", "method"), [
    ("D", 2, "bicubic"), ("shift", 3, "bicubic"), ("sigma", 8, "bicubic"), ("shift and sigma", 4, "bicubic"),
    ("sigma", 3, "area"), ("sigma", 3, "lanczos3"), ("sigma", 3, "pil_bicubic"),
])  # fmt: skip
def test_matrices_are_the_same_operator(term: str, scale: int, method: str) -> None:
    plain, fast = Observation(drawn(term, scale, method)), observation(drawn(term, scale, method))
    assert isinstance(fast, Separable)
    x, y = rand(1, 2, 9 * scale, 5 * scale), rand(1, 2, 9, 5)
    for one, other in ((plain.forward(x), fast.forward(x)), (plain.adjoint(y), fast.adjoint(y))):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)  # float64 sums of a hundred values below 1


@pytest.mark.parametrize("term", TERMS)
def test_matrices_are_used_where_rows_and_columns_do_not_mix(term: str) -> None:
    noise = {"noise": 2.0, "peak": 100, "quality": 50, "noise_seed": 3}  # no part of the operator
    found = observation(DrawnImaging(2, "bicubic", TERMS[term] | noise, drawn(term, 2).kernel))
    assert isinstance(found, Separable) == (term in ("D", *SMOOTH))


@pytest.mark.parametrize("term", ["shift", "rotation", "all"])
def test_aligning_undoes_the_motion(term: str) -> None:
    down, right = torch.meshgrid(torch.arange(60.0), torch.arange(60.0), indexing="ij")
    scene = (0.5 + 0.4 * torch.sin(down / 6 + 1) * torch.cos(right / 7))[None, None].double()
    moves = {key: value for key, value in TERMS[term].items() if key.startswith(("shift", "rotation"))}
    operator = Observation(DrawnImaging(1, "bicubic", moves))
    seen = operator.forward(scene)
    inner = (..., slice(8, -8), slice(8, -8))  # what came in from outside cannot be undone
    assert (seen - scene)[inner].abs().max() > 0.02
    # two or three interpolations with a = -0.75, each off by up to 0.3 % of such a wave (test_degradation_terms.py)
    assert (operator.align(seen) - scene)[inner].abs().max() < 8e-3


@pytest.mark.parametrize(("term", "scale"), TERMS_AND_SCALES[:-2])
def test_no_image_gains_more_than_the_norm_says(term: str, scale: int) -> None:
    operator = observation(drawn(term, scale))
    x = rand(1, 1, 24 * scale, 16 * scale, seed=5)
    for _ in range(60):
        x = operator.adjoint(operator.forward(x / x.norm()))
    largest = x.norm().item()
    bound = operator.squared_norm(24, 16)
    assert largest <= bound * (1 + 1e-9)  # rounding where matrices give the norm itself
    assert bound < 1.01 * MARGIN * largest  # nor needlessly cautious: the length of a step goes by it
