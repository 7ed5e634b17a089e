"""Convolutions of whole numbers of 8 bits, which a processor computes about twice as fast as real ones.

Weights and input are rounded to whole multiples of a step; the network is not trained again (Jacob et al. 2018,
"Quantization and training of neural networks for efficient integer-arithmetic-only inference"). OpenVINO finds the
rounding in the graph and computes with whole numbers; torch rounds and computes with real ones.
"""

from __future__ import annotations

from typing import Final

import torch

_INPUT_STEPS: Final = 255
"""Steps between the ends of an input's range."""
_WEIGHT_STEPS: Final = 63
"""Steps between 0 and the largest weight of a channel, so that the sum of two products fits into 16 bits.

Processors without instructions of their own for 8 bits keep it there, and cut it off where it is larger.
"""
_LEAST: Final = 1e-8
"""The smallest step, for channels and inputs that are 0 everywhere."""


class QuantizedConvolution(torch.nn.Module):
    """A convolution with rounded weights and rounded input.

    Its weights have the names of those of the convolution that it is made of; :func:`settle` says how they are rounded.

    Parameters
    ----------
    convolution : torch.nn.Conv2d
        Of torch, or timm's with the padding of TensorFlow.
    """

    input_range: torch.Tensor
    """The least and the largest value of the input, shape (2,), with 0 between them; what lies beyond is cut off."""
    weight_steps: torch.Tensor
    weight_zeros: torch.Tensor

    def __init__(self, convolution: torch.nn.Conv2d) -> None:
        super().__init__()
        from timm.layers.conv2d_same import Conv2dSame

        self.weight, self.bias = convolution.weight, convolution.bias
        self.kernel, self.stride = convolution.kernel_size, convolution.stride
        self.padding, self.dilation = convolution.padding, convolution.dilation
        self.groups = convolution.groups
        self.same = isinstance(convolution, Conv2dSame)
        self.register_buffer("input_range", torch.tensor([0.0, 1.0]))
        self.register_buffer("weight_steps", torch.ones(len(self.weight)), persistent=False)
        self.register_buffer("weight_zeros", torch.zeros(len(self.weight), dtype=torch.int32), persistent=False)
        self._input_step, self._input_zero = 1.0, 0

    def settle(self) -> None:
        """Take the steps from the weights and the range of the input as they are now."""
        largest = self.weight.detach().abs().amax(dim=(1, 2, 3))
        self.weight_steps.copy_((largest / _WEIGHT_STEPS).clamp(min=_LEAST))
        low, high = self.input_range.tolist()
        self._input_step = max((high - low) / _INPUT_STEPS, _LEAST)
        self._input_zero = round(-low / self._input_step)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to what the convolution gives."""
        from timm.layers.padding import pad_same

        rounded = torch.fake_quantize_per_tensor_affine(images, self._input_step, self._input_zero, 0, _INPUT_STEPS)
        weight = torch.fake_quantize_per_channel_affine(
            self.weight, self.weight_steps, self.weight_zeros, 0, -2 * _WEIGHT_STEPS - 1, 2 * _WEIGHT_STEPS + 1
        )
        padding = self.padding
        if self.same:
            rounded, padding = pad_same(rounded, list(self.kernel), list(self.stride), list(self.dilation)), (0, 0)
        return torch.nn.functional.conv2d(rounded, weight, self.bias, self.stride, padding, self.dilation, self.groups)


def quantize(network: torch.nn.Module) -> None:
    """Put quantized convolutions in the place of all of a network's; the ranges of their inputs are not known yet."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, torch.nn.Conv2d):
                setattr(module, name, QuantizedConvolution(child))


def settle(network: torch.nn.Module) -> None:
    """Round a network's quantized convolutions by their weights and ranges as they are now."""
    for module in network.modules():
        if isinstance(module, QuantizedConvolution):
            module.settle()
