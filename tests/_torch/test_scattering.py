import numpy as np
import pytest
import torch
from kymatio.scattering2d.filter_bank import morlet_2d
from kymatio.scattering2d.frontend.numpy_frontend import ScatteringNumPy2D

from sklearn_audio._torch import _scattering
from sklearn_audio._torch._scattering import Scattering2D, n_scattering_channels


@pytest.mark.parametrize(
    ("image_shape", "n_scales", "n_angles"),
    [
        ((32, 32), 2, 8),
        ((64, 101), 2, 8),
        ((4, 4), 2, 8),
        ((5, 40), 2, 6),
        ((33, 47), 3, 4),
        ((20, 20), 1, 8),
        # Longer than every filter, which is made on a part of the plane.
        ((4, 250), 2, 8),
        ((250, 5), 2, 16),
    ],
)
def test_equals_kymatio(image_shape, n_scales, n_angles):
    x = np.random.default_rng(0).normal(size=(3, *image_shape)).astype(np.float32)
    expected = ScatteringNumPy2D(n_scales, image_shape, n_angles)(x)
    scattering = Scattering2D(image_shape, n_scales, n_angles)
    actual = scattering(torch.from_numpy(x)).numpy()
    assert actual.shape[1] == n_scattering_channels(n_scales, n_angles)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_filters_of_long_rows_are_made_on_a_part_of_the_plane(monkeypatch):
    n_pixels = []

    def count_pixels(height, width, *args):
        n_pixels.append(height * width)
        return morlet_2d(height, width, *args)

    monkeypatch.setattr(_scattering, "morlet_2d", count_pixels)
    _scattering._wavelets.cache_clear()
    Scattering2D((4, 4_000), n_scales=2, n_angles=4)
    assert len(n_pixels) == 2 * 4  # once a scale and angle
    assert max(n_pixels) < 1000


def test_the_paper_has_81_channels():
    assert n_scattering_channels(2, 8) == 81


def test_clips_are_scattered_one_by_one_whatever_the_chunk():
    scattering = Scattering2D((16, 16))
    x = torch.randn(40, 16, 16, generator=torch.Generator().manual_seed(0))
    together = scattering(x)
    assert scattering.n_images_at_a_time < len(x)
    alone = torch.cat([scattering(image[None]) for image in x])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)


def test_gradients_reach_the_image():
    scattering = Scattering2D((4, 5), n_scales=2, n_angles=2).double()
    x = torch.randn(1, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(scattering, x, atol=1e-6)


def test_silence_has_finite_gradients():
    scattering = Scattering2D((8, 8))
    x = torch.zeros(1, 8, 8, requires_grad=True)
    scattering(x).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_filters_are_no_part_of_a_dump():
    assert Scattering2D((8, 8)).state_dict() == {}


def test_images_that_are_too_small():
    with pytest.raises(ValueError, match=r"\(3, 9\) are too small for 2 scales.*4"):
        Scattering2D((3, 9), n_scales=2)
