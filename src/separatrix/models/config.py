"""The fields every architecture's configuration shares."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from separatrix.config import Config


class ModelConfig(Config):
    """Size and block structure of a SequenceModel. Architectures add their own fields and defaults.

    >>> sx.models.configure("transformer", width=64, mlp=None).mlp_width
    256
    """

    model_config = ConfigDict(allow_inf_nan=False)

    name: str = Field(description="the architecture's registered name")
    width: int = Field(64, ge=1, description="width D of the residual stream")
    layers: int = Field(1, ge=1, description="depth: number of mixer blocks")
    residual: bool = Field(True, description="add each mixer's input to its output")
    norm: Literal["none", "layer", "rms"] = Field("layer", description="normalisation before mixer, MLP and head")
    mlp: int | None = Field(0, ge=0, description="hidden width of each MLP; 0 for no MLP, None for 4 * width")
    activation: Literal["relu", "gelu", "swiglu"] = Field("relu", description="the MLP's nonlinearity")
    positions: Literal["none", "learned", "sinusoidal", "rope", "alibi"] = Field(
        "none", description="position embedding; rope and alibi act inside attention"
    )
    embedding_std: float = Field(
        1.0, gt=0, description="standard deviation of initial embeddings, learned positions too"
    )

    tied: bool = Field(
        False,
        description="the head's weights are the embedding's, where answers are tokens (Press and Wolf 2017)",
        exclude_if=lambda tied: not tied,  # configurations older than the field keep their identities
    )

    convolution: int | None = Field(
        None,
        ge=0,
        le=1024,
        description="taps of the short convolution before or in each mixer; 0 for none, None for its own",
        exclude_if=lambda taps: taps is None,  # configurations older than the field keep their identities
    )

    @property
    def mlp_width(self) -> int:
        """Hidden width of each MLP, 0 for none. A gated MLP of 8/3 has as many weights as a plain one of 4."""
        if self.mlp is not None:
            return self.mlp
        return 8 * self.width // 3 if self.activation == "swiglu" else 4 * self.width


class SwiGLUBlocks(ModelConfig):
    """Blocks of RMS norm, mixer, residual, RMS norm, SwiGLU MLP, residual, as most recent models have them."""

    norm: Literal["none", "layer", "rms"] = "rms"
    mlp: int | None = Field(None, ge=0, description="hidden width of each MLP; 0 for no MLP, None for 8/3 * width")
    activation: Literal["relu", "gelu", "swiglu"] = "swiglu"
