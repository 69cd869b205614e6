"""The game of encoder, generator, detector and classifier.

References
----------
.. [1] Teh, K. K. and Tran, H. D. (2021). "Open-set audio classification with limited
   training resources based on augmentation enhanced variational auto-encoder GAN with
   detection-classification joint training." Interspeech.
   https://doi.org/10.21437/Interspeech.2021-1142
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from sklearn_audio._torch._adversarial import discriminator_loss, generator_loss
from sklearn_audio._torch._clip_networks import Detector, Generator, PosteriorEncoder
from sklearn_audio._torch._estimator import Batch
from sklearn_audio._torch._net import AudioNet, Losses
from sklearn_audio._torch._resnet import ResNet
from sklearn_audio.open_set._gan_classifier import GANClassifier, diversity
from sklearn_audio.open_set._gan_losses import (
    classification_loss,
    confidence_loss,
    kl_loss,
    structure_loss,
)
from sklearn_audio.open_set._outlier_clips import OUTLIER_MAKERS, OutlierMaker

Posterior = tuple[torch.Tensor, torch.Tensor]  # mean and log-variance: (B, Z), (B, Z)

GENERATED = "generated"
OUTLIER_KINDS = (*OUTLIER_MAKERS, GENERATED)


class OpenSetGAN(GANClassifier):
    """One classifier, trained jointly with what makes its outliers.

    The networks are "module", the classifier, and where outliers are generated
    "encoder", "generator" and "detector". Outliers that are made of training clips have
    outputs of their own, as many of each kind as there are classes: where clips are
    reversed first, class k backwards is class K + k.
    """

    @property
    def _kinds(self) -> tuple[str, ...]:
        if self.outliers is None:
            return ()
        kinds = self.outliers
        return (kinds,) if isinstance(kinds, str) else tuple(kinds)

    @property
    def _generates(self) -> bool:
        return GENERATED in self._kinds

    @property
    def _makers(self) -> list[OutlierMaker]:
        return [OUTLIER_MAKERS[kind] for kind in self._kinds if kind != GENERATED]

    @property
    def _module_classes(self) -> dict[str, type[nn.Module]]:  # type: ignore[override]
        networks: dict[str, type[nn.Module]] = {"module": ResNet}
        if self._generates:
            networks |= {
                "encoder": PosteriorEncoder,
                "generator": Generator,
                "detector": Detector,
            }
        return networks

    @property
    def _n_outputs(self) -> int:
        return len(self.classes_) * (1 + len(self._makers))

    def _module_arguments(self) -> dict[str, dict[str, Any]]:
        shared = {"input_shape": self.input_shape_, "width": self.gan_width}
        latent = {**shared, "latent_dim": self.latent_dim}
        return {
            "module": self._classifier_arguments(),
            "encoder": latent,
            "generator": latent,
            "detector": {**shared, "use_spectral_norm": self.use_spectral_norm},
        }

    def _make_optimizers(self, net: AudioNet) -> dict[str, torch.optim.Optimizer]:
        optimizers = {"optimizer": self._classifier_optimizer(net)}
        if self._generates:
            optimizers |= {
                "generator_optimizer": self._game_optimizer(
                    net, self.lr_generator, "encoder", "generator"
                ),
                "detector_optimizer": self._game_optimizer(
                    net, self.lr_detector, "detector"
                ),
            }
        return optimizers

    # A training step: detector, then generator and encoder, then classifier

    def _train_batch(self, net: AudioNet, batch: Batch) -> Losses:
        if not self._generates:
            return self._train_classifier(net, batch)
        real = self._to_game(self._augmented(net, batch[0]))  # (B, F, T)
        losses = self._train_makers(net, real, batch)
        with torch.no_grad():
            fresh = self._fake(net, net.modules["encoder"](real))  # (B, F, T)
        return losses | self._train_classifier(net, batch, fresh)

    def _train_makers(self, net: AudioNet, real: torch.Tensor, batch: Batch) -> Losses:
        detector, encoder = net.modules["detector"], net.modules["encoder"]
        posterior = encoder(real)  # (B, Z), (B, Z)
        fake = self._fake(net, posterior)  # (B, F, T)
        loss = discriminator_loss(detector(real), detector(fake.detach()))  # Eq. 7
        net.minimise(loss, "detector_optimizer", batch)

        structure = self._structure_loss(net, real, posterior)  # Eq. 8
        kl = kl_loss(*posterior)  # Eq. 6
        adversarial = generator_loss(detector(fake))  # Eq. 5
        joint = structure + self.kl_weight * kl + adversarial
        weight = self._confidence_weight_now(net)
        if weight:
            logits = net.modules["module"](self._from_game(fake))  # (B, K)
            joint = joint + weight * self._confidence_loss(logits)  # Eq. 2
        net.minimise(joint, "generator_optimizer", batch)
        return {
            "detector": loss,
            "structure": structure,
            "kl": kl,
            "adversarial": adversarial,
            "diversity": diversity(fake, real),
        }

    def _structure_loss(
        self, net: AudioNet, real: torch.Tensor, posterior: Posterior
    ) -> torch.Tensor:
        detector: Any = net.modules["detector"]
        copy = net.modules["generator"](self._reparametrised(net, *posterior))
        with torch.no_grad():
            real_features = detector.features(real)  # (B, CF'T')
        return structure_loss(
            real,
            copy,
            real_features,
            detector.features(copy),
            alpha=self.reconstruction_weight,
            beta=self.feature_weight,
            reduction=self.reduction,
        )

    def _train_classifier(
        self, net: AudioNet, batch: Batch, fake: torch.Tensor | None = None
    ) -> Losses:
        module = net.modules["module"]
        inputs, indices = self._labelled_inputs(net, batch)
        inputs, targets = self._mixed(net, inputs, indices)
        logits = module(inputs)  # (B', K)
        loss = classification_loss(  # Eq. 1
            logits, targets, self.label_smoothing, self._output_weights(net)
        )
        losses = {"classification": loss}
        weight = self._confidence_weight_now(net)
        if fake is not None and weight:
            # In a batch of their own: in training as at test time, the batch statistics
            # of real clips are not to tell that outliers are about.
            confidence = self._confidence_loss(module(self._from_game(fake)))  # Eq. 2
            losses["confidence"] = confidence
            loss = loss + weight * confidence  # Eq. 9
        net.minimise(loss, "optimizer", batch)
        return losses | {"loss": loss}

    def _validate_batch(self, net: AudioNet, batch: Batch) -> Losses:
        X, y = batch
        logits = net.modules["module"](X)  # (B, K)
        weights = self._output_weights(net)
        return {"loss": classification_loss(logits, y, weight=weights)}

    # Clips, latents and weights of a step

    def _labelled_inputs(
        self, net: AudioNet, batch: Batch
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return augmented clips, outliers made of them, and the classes of all."""
        X, y = batch
        clips, indices = [self._augmented(net, X)], [y]
        for kind, make_outliers in enumerate(self._makers, start=1):
            # Made before they are changed, so that noise and level hide the seams.
            outliers, sources = make_outliers(X, y, net.generator)
            clips.append(self._augmented(net, outliers))
            indices.append(sources + kind * len(self.classes_))
        return torch.cat(clips), torch.cat(indices)  # (B', F, T), (B',)

    def _fake(self, net: AudioNet, posterior: Posterior) -> torch.Tensor:
        return net.modules["generator"](self._outlier_latents(net, posterior))

    def _outlier_latents(self, net: AudioNet, posterior: Posterior) -> torch.Tensor:
        """Draw where outliers come from: (B, Z)."""
        if self.sampling == "prior":
            return self.noise_scale * self._normal(net, len(posterior[0]))
        return self._reparametrised(net, *posterior, self.noise_scale)

    def _reparametrised(
        self,
        net: AudioNet,
        mean: torch.Tensor,
        log_variance: torch.Tensor,
        noise_scale: float = 1.0,
    ) -> torch.Tensor:
        noise = self._normal(net, len(mean))  # (B, Z)
        return mean + noise_scale * (log_variance / 2).exp() * noise

    def _confidence_loss(self, logits: torch.Tensor) -> torch.Tensor:
        return confidence_loss(
            logits[:, : len(self.classes_)],
            self.confidence_cost,
            self.blur,
            self._distances,
        )

    def _confidence_weight_now(self, net: AudioNet) -> float:
        """Return the weight of Eq. 2: zero at first, then rising linearly."""
        if not self.warmup:
            return self.confidence_weight
        progress = (len(net.history) - 1) / self.max_epochs
        ramp = (progress - self.warmup) / self.warmup
        return self.confidence_weight * float(np.clip(ramp, 0.0, 1.0))

    # After the training

    def _settling_inputs(self, net: AudioNet, batch: Batch) -> torch.Tensor:
        return self._labelled_inputs(net, batch)[0]

    def _settling_latents(self, net: AudioNet, batch: Batch) -> torch.Tensor:
        with torch.no_grad():
            posterior = net.modules["encoder"](self._to_game(batch[0]))
        return self._outlier_latents(net, posterior)
