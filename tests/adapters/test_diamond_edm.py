"""EDM against what is known in closed form."""

import itertools
import math

import pytest
import torch

from wmeval_adapters.diamond.edm import Churn, precondition, sample, schedule

DATA = 0.5


def gaussian(x, sigma):
    """The best denoiser of normal data of standard deviation DATA."""
    return x * DATA**2 / (DATA**2 + sigma**2)


def test_coefficients_make_input_target_and_error_of_unit_size():
    sigma = torch.tensor([0.01, 0.5, 3.0])
    edm = precondition(sigma, DATA)
    assert torch.allclose(edm.c_in**2 * (DATA**2 + sigma**2), torch.ones(3))
    # The target F = (y - c_skip (y + sigma n)) / c_out has variance 1 for y of variance DATA^2.
    variance = ((1 - edm.c_skip) ** 2 * DATA**2 + edm.c_skip**2 * sigma**2) / edm.c_out**2
    assert torch.allclose(variance, torch.ones(3), atol=1e-5)
    assert torch.allclose(edm.c_noise, sigma.log() / 4)


def test_offset_noise_adds_in_quadrature():
    with_offset = precondition(torch.tensor([0.4]), DATA, 0.3)
    assert torch.allclose(with_offset.c_skip, precondition(torch.tensor([0.5]), DATA).c_skip)


def test_the_schedule_of_diamond():
    assert schedule(3, 2e-3, 5.0) == pytest.approx((5.0, 0.28306, 0.002, 0.0), rel=1e-4)
    assert schedule(1, 2e-3, 5.0) == (5.0, 0.0)


@pytest.mark.parametrize(("order", "tolerance"), [(1, 0.05), (2, 0.004)])
def test_the_walk_of_a_gaussian_keeps_its_variance(order, tolerance):
    # dx/dsigma = sigma x / (DATA^2 + sigma^2): x shrinks by sqrt of (DATA^2 + low^2) / (DATA^2 + high^2).
    high, start = 10.0, torch.ones(1)
    end = sample(gaussian, start, schedule(60, 1e-3, high), order=order)
    assert float(end) == pytest.approx(DATA / math.sqrt(DATA**2 + high**2), rel=tolerance)


def test_euler_is_the_product_of_its_steps():
    sigmas = schedule(3, 2e-3, 5.0)
    wanted = 1.0
    for now, after in itertools.pairwise(sigmas):
        wanted *= 1 + (after - now) * now / (DATA**2 + now**2)
    assert float(sample(gaussian, torch.ones(1), sigmas)) == pytest.approx(wanted, rel=1e-5)


def test_churned_samples_still_have_the_variance_of_the_data():
    generator = torch.Generator().manual_seed(0)
    x = 5.0 * torch.randn(20000, generator=generator)
    end = sample(
        gaussian, x, schedule(40, 1e-3, 5.0), order=2, churn=Churn(10.0, 0.05, 2.0),
        noise=lambda: torch.randn(20000, generator=generator),
    )  # fmt: skip
    assert float(end.std()) == pytest.approx(DATA, rel=0.03)
