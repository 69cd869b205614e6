"""ResNet-18 behind a wavelet scattering transform."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_audio._torch._classifier import TorchClassifier
from sklearn_audio._torch._net import AudioNet
from sklearn_audio._torch._resnet import ResNet


class ScatteringResNetClassifier(TorchClassifier):
    """x."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TorchClassifier._parameter_constraints,
        "first_stage": [StrOptions({"scattering", "convolution"})],
        "width": [Interval(Integral, 1, None, closed="left")],
        "n_scales": [Interval(Integral, 1, None, closed="left")],
        "n_angles": [Interval(Integral, 1, None, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
    }

    _module_classes = {"module": ResNet}

    def __init__(
        self,
        *,
        first_stage: str = "scattering",
        width: int = 16,
        n_scales: int = 2,
        n_angles: int = 8,
        max_epochs: int = 50,
        batch_size: int = 32,
        lr: float = 1e-3,
        weight_decay: float = 1e-2,
        class_weight: Any = None,
        validation_fraction: float | None = None,
        n_iter_no_change: int | None = None,
        warm_start: bool = False,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        callbacks: list[Any] | None = None,
    ) -> None:
        self.first_stage = first_stage
        self.width = width
        self.n_scales = n_scales
        self.n_angles = n_angles
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.class_weight = class_weight
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    def _module_arguments(self) -> dict[str, dict[str, Any]]:
        return {
            "module": {
                "input_shape": self.input_shape_,
                "n_outputs": len(self.classes_),
                "width": self.width,
                "first_stage": self.first_stage,
                "n_scales": self.n_scales,
                "n_angles": self.n_angles,
            }
        }

    def _make_optimizers(self, net: AudioNet) -> dict[str, torch.optim.Optimizer]:
        return {
            "optimizer": torch.optim.AdamW(
                net.modules["module"].parameters(),
                lr=self.lr,
                weight_decay=self.weight_decay,
            )
        }
