"""Causal language models of Hugging Face Transformers: as models of the library, and audited by measurement."""

from separatrix.models.huggingface.model import HuggingFace, huggingface

__all__ = ["HuggingFace", "huggingface"]
