"""Residual blocks, as their paper draws them."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sklearn_audio._torch._resnet import ResidualBlock


@pytest.mark.parametrize("shape", [(17, 4, 32, 32), (2, 5, 9, 7), (3, 8, 1, 6)])
@pytest.mark.parametrize("stride", [1, 2])
def test_the_shortcut_is_a_strided_convolution_of_one_pixel(shape, stride):
    """Widths below 8 in this layout have crashed the interpreter in the first step."""
    torch.manual_seed(0)
    block = ResidualBlock(shape[1], 2 * shape[1], stride)
    block = block.to(memory_format=torch.channels_last).train()
    x = torch.randn(shape).to(memory_format=torch.channels_last).requires_grad_()
    y = block(x)
    y.square().mean().backward()
    weights = {
        tuple(w.shape[2:]): w for w in block.shortcut.parameters() if w.dim() > 1
    }
    strided = F.conv2d(x, weights[1, 1], stride=stride)
    normalised = nn.BatchNorm2d(2 * shape[1])(strided)
    convolved = block.norm2(block.conv2(F.relu(block.norm1(block.conv1(x)))))
    torch.testing.assert_close(y, F.relu(convolved + normalised), atol=1e-5, rtol=1e-4)
    assert all(torch.isfinite(w.grad).all() for w in block.parameters())
