"""AST, the audio spectrogram transformer, trained on AudioSet.

References
----------
.. [1] Gong, Y., Chung, Y.-A. and Glass, J. (2021). "AST: audio spectrogram
   transformer." Interspeech. https://doi.org/10.21437/Interspeech.2021-698
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import nn
from torch.nn import functional as F

from sklearn_audio._torch._random import seeded_initialisation
from sklearn_audio.pretrained._kaldi_mel import kaldi_mel_filters
from sklearn_audio.pretrained._state import Tensors

_SAMPLE_RATE = 16000
_FRAME, _STEP, _N_FFT = 400, 160, 512  # samples: 25 ms, 10 ms, the next power of two
_N_BANDS, _N_FRAMES = 128, 1024  # of a picture
_PRE_EMPHASIS = 0.97
_FLOOR = 2.0**-23  # Kaldi's: the smallest step of a float32 above 1
# Of the pictures of AudioSet. The authors halve the deviation that this leads to.
_MEAN, _DEVIATION = -4.2677393, 4.5689974
_HEAD_SIZE = 64
# Tensors of a checkpoint that tell its size.
_TOKEN = "audio_spectrogram_transformer.embeddings.cls_token"
_TAGS = "classifier.dense.bias"
_ONE_PER_LAYER = ".layernorm_before.weight"


class KaldiFilterBank(nn.Module):
    """Turn waveforms into the pictures that AST was trained on.

    Frames of 25 ms without their mean, differences of neighbouring samples, a symmetric
    Hann window, power, triangles that are straight on the mel scale from 20 Hz to half
    the sample rate, and the logarithm. Frames of zeros follow, up to 1024. Then the
    mean of AudioSet becomes 0, and its standard deviation 0.5.
    """

    window: torch.Tensor
    filters: torch.Tensor
    min_samples = _FRAME

    def __init__(self) -> None:
        super().__init__()
        window = torch.hann_window(_FRAME, periodic=False)
        filters = kaldi_mel_filters(
            _SAMPLE_RATE, _N_FFT, _N_BANDS, _SAMPLE_RATE / 2, fmin=20.0
        )
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Return the pictures: (B, n) -> (B, 1024, 128).

        Raises
        ------
        ValueError
            If the waveforms are too long.
        """
        longest = _FRAME + _N_FRAMES * _STEP - 1
        if waveforms.shape[1] > longest:
            raise ValueError(
                f"AST takes {longest} samples at most, {longest / _SAMPLE_RATE:.2f} s, "
                f"but got {waveforms.shape[1]}. Give it windows of "
                f"{ASTNetwork.window} s."
            )
        frames = waveforms.unfold(1, _FRAME, _STEP)  # (B, T, 400)
        frames = frames - frames.mean(dim=2, keepdim=True)  # (B, T, 400)
        before = torch.cat([frames[:, :, :1], frames[:, :, :-1]], dim=2)  # (B, T, 400)
        emphasised = (frames - _PRE_EMPHASIS * before) * self.window  # (B, T, 400)
        spectra = torch.fft.rfft(emphasised, _N_FFT)  # (B, T, 257)
        mel = spectra.abs().square() @ self.filters.T  # (B, T, 128)
        log_mel = torch.log(mel.clamp(min=_FLOOR))  # (B, T, 128)
        missing = _N_FRAMES - log_mel.shape[1]
        picture = F.pad(log_mel, (0, 0, 0, missing))  # (B, 1024, 128)
        return (picture - _MEAN) / (2 * _DEVIATION)


class ASTFrontEnd(KaldiFilterBank):
    """The same pictures, with bands before frames as in all spectrograms."""

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Return the spectrograms: (B, n) -> (B, 128, 1024)."""
        return super().forward(waveforms).transpose(1, 2)


class ASTNetwork(nn.Module):
    """Embed and tag waveforms with AST, a transformer on patches of spectrogram [1]_.

    Weights come from a published checkpoint, see :func:`load_network`. Without one they
    are random, which is good for tests alone. The layers are those of the library
    transformers, which comes with the extra ``pretrained``.

    Parameters
    ----------
    n_layers : int, default=12
        Number of layers of attention.
    n_heads : int, default=12
        Number of attention heads, of 64 values each: an embedding has ``64 * n_heads``.
    n_tags : int, default=527
        Number of tags, 527 for AudioSet.

    Attributes
    ----------
    sample_rate : int
        16000, the rate of the waveforms, in Hz.
    window : float
        10.24, the length of the longest clips, in seconds. Shorter ones are followed by
        what the network knows as no sound.
    min_samples : int
        400, the length of the shortest waveform.
    embedding_size : int
        Number of values of an embedding: 768 for the published network.

    Raises
    ------
    ImportError
        If transformers is not installed.

    See Also
    --------
    load_network : Builds the network with published weights.
    sklearn_audio.feature_extraction.PretrainedEmbedding : Runs it on clips.

    References
    ----------
    .. [1] Gong, Y., Chung, Y.-A. and Glass, J. (2021). "AST: audio spectrogram
       transformer." Interspeech. https://doi.org/10.21437/Interspeech.2021-698

    Examples
    --------
    >>> import torch
    >>> from sklearn_audio.pretrained import ASTNetwork
    >>> network = ASTNetwork(n_layers=1, n_heads=1, n_tags=5).eval()
    >>> embeddings = network(torch.zeros(2, 16000))
    >>> embeddings.shape
    torch.Size([2, 64])
    >>> network.tag(embeddings).shape
    torch.Size([2, 5])
    """

    sample_rate = _SAMPLE_RATE
    window = _N_FRAMES * _STEP / _SAMPLE_RATE
    min_samples = _FRAME

    def __init__(
        self, n_layers: int = 12, n_heads: int = 12, n_tags: int = 527
    ) -> None:
        super().__init__()
        self.embedding_size = _HEAD_SIZE * n_heads
        self.front_end = KaldiFilterBank()
        configuration = _configuration(n_layers, n_heads, n_tags)
        self._adopt(_transformers().ASTForAudioClassification(configuration))

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> Self:
        """Build the network of a checkpoint, of whatever size that is.

        Parameters
        ----------
        tensors : dict of str to torch.Tensor
            The checkpoint's state dict, with the names that the layers of
            ``ASTForAudioClassification`` have in any version of transformers.

        Returns
        -------
        network : ASTNetwork
            The network in evaluation mode.

        Raises
        ------
        ImportError
            If transformers is not installed.
        ValueError
            If the tensors are not those of AST.
        """
        token, tags = tensors.get(_TOKEN), tensors.get(_TAGS)
        n_layers = sum(name.endswith(_ONE_PER_LAYER) for name in tensors)
        if token is None or tags is None or token.shape[-1] % _HEAD_SIZE:
            raise ValueError(
                f"it is no checkpoint of AST with a classifier: it has no tensors "
                f"{_TOKEN}, of a multiple of {_HEAD_SIZE} values, and {_TAGS}."
            )
        n_heads, n_tags = token.shape[-1] // _HEAD_SIZE, len(tags)
        with seeded_initialisation(0):  # the weights are about to be replaced
            network = cls(0, n_heads, n_tags)
            network._adopt(_load(tensors, _configuration(n_layers, n_heads, n_tags)))
        return network.eval()

    def _adopt(self, model: Any) -> None:
        """Take over the layers of a model, under their names in a checkpoint."""
        self.audio_spectrogram_transformer = model.audio_spectrogram_transformer
        self.classifier = model.classifier

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Return the embeddings of waveforms.

        Parameters
        ----------
        waveforms : torch.Tensor of shape (n_clips, n_samples), dtype float32
            Mono, in [-1, 1], at `sample_rate`, of `min_samples` at least and of 164239,
            10.26 s, at most.

        Returns
        -------
        embeddings : torch.Tensor of shape (n_clips, embedding_size)
            The mean of the two tokens that stand for the whole clip, class and
            distillation, after the last layer's normalisation.

        Raises
        ------
        ValueError
            If the waveforms are too long.
        """
        pictures = self.front_end(waveforms)  # (B, 1024, 128)
        return self.embed(pictures.transpose(1, 2))  # (B, D)

    def embed(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """Return the embeddings of spectrograms.

        Parameters
        ----------
        spectrograms : torch.Tensor of shape (n_clips, 128, 1024), dtype float32
            What :func:`make_spectrograms` makes of waveforms, or something in its
            place, through which gradients flow.

        Returns
        -------
        embeddings : torch.Tensor of shape (n_clips, embedding_size)
            As of the waveforms.

        Raises
        ------
        ValueError
            If the spectrograms are of another shape.
        """
        if spectrograms.shape[1:] != (_N_BANDS, _N_FRAMES):
            raise ValueError(
                f"AST takes spectrograms of shape (n_clips, {_N_BANDS}, {_N_FRAMES}), "
                f"but got {tuple(spectrograms.shape)}. Make them with "
                "sklearn_audio.pretrained.make_spectrograms."
            )
        pictures = spectrograms.transpose(1, 2)  # (B, 1024, 128)
        return self.audio_spectrogram_transformer(pictures).pooler_output  # (B, D)

    def tag(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Return the probabilities of the tags, given the embeddings.

        Parameters
        ----------
        embeddings : torch.Tensor of shape (n_clips, embedding_size)
            What calling the network returns.

        Returns
        -------
        probabilities : torch.Tensor of shape (n_clips, n_tags)
            Each in [0, 1]; tags do not exclude each other.
        """
        return torch.sigmoid(self.classifier(embeddings))  # (B, K)


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise ImportError(
            "AST needs transformers: pip install sklearn-audio[pretrained]"
        ) from error
    return transformers


def _configuration(n_layers: int, n_heads: int, n_tags: int) -> Any:
    """Return the settings of the published network, but of another size."""
    return _transformers().ASTConfig(
        hidden_size=_HEAD_SIZE * n_heads,
        num_hidden_layers=n_layers,
        num_attention_heads=n_heads,
        intermediate_size=4 * _HEAD_SIZE * n_heads,
        num_mel_bins=_N_BANDS,
        max_length=_N_FRAMES,
        num_labels=n_tags,
    )


def _load(tensors: Tensors, configuration: Any) -> Any:
    """Put tensors into a model; transformers knows its layers' former names.

    Raises
    ------
    ValueError
        If a tensor is missing, superfluous, or of another shape; it is named.
    """
    # Tensors of a file may lie at any address, and products would round by it.
    aligned = {name: tensor.clone() for name, tensor in tensors.items()}
    with _quiet():
        model, report = _transformers().ASTForAudioClassification.from_pretrained(
            None,
            config=configuration,
            state_dict=aligned,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    for problem in ("missing", "unexpected", "mismatched"):
        names = sorted(report[f"{problem}_keys"])
        if names:
            raise ValueError(
                f"{len(names)} tensors do not fit ASTNetwork, {problem} is {names[0]}."
            )
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from showing progress and a report inside the block."""
    logging = _transformers().utils.logging
    verbosity, shows_progress = (
        logging.get_verbosity(),
        logging.is_progress_bar_enabled(),
    )
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shows_progress:
            logging.enable_progress_bar()
