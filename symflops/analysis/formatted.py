"""Weights in another format, of whatever names a model."""

from __future__ import annotations

from pathlib import Path

from symflops.calling import such_as
from symflops.checkpoint import read_checkpoint
from symflops.errors import SymflopsError, expect
from symflops.gguf_types import PREFIX, mix_named
from symflops.model import Model
from symflops.passes import formats as passes
from symflops.passes.checkpoints import in_checkpoint
from symflops.passes.gguf import in_gguf
from symflops.quantization import named
from symflops.source import ModelLike, load


@such_as('formats("llama-2-7b-hf", "fp8-block128")', 'formats(model, "gptq:bits=4,group_size=64")')
def formats(model: ModelLike, name: str = "", *, checkpoint: str | Path = "") -> Model:
    """The model with its weights in a format: what a layer's weights take, scales and zero points with them, and what
    it reads of them are exact in every answer.

    `model` is what `load` takes. `name` is that of a file in `formats/` such as fp8-block128, gptq, awq, nvfp4 or
    bnb-4bit, with arguments after a colon, or of a kind of GGUF file such as gguf-q4_k_m; `none` takes the formats of a
    config away. Matrices of linear layers and of experts are kept in it; biases, norms, embeddings, routers and
    `lm_head` have `weight_bytes`, in a GGUF file the types that llama.cpp gives them. With a `checkpoint`, a
    safetensors or GGUF file, an index or their folder, each layer has the bytes of its tensors, by the headers.

    >>> from symflops import memory
    >>> memory(formats("llama-2-7b-hf", "fp8-block128"), batch_size=1, seq_len=1).weights
    7002406912
    >>> formats("llama-2-7b-hf", "mxfp5").name
    Traceback (most recent call last):
    symflops.errors.SymflopsError: llama-2-7b-hf: no format 'mxfp5'; did you mean 'mxfp8'?

    Raises SymflopsError for a name that is none, and where no layer has weights that it is for.
    """
    expect(name, str, "the name of a format")
    expect(checkpoint, (str, Path), "the path of a checkpoint")
    if bool(name) == bool(checkpoint):
        raise SymflopsError("weights have the format of a name, or of a checkpoint: give one")
    given = load(model)
    try:
        with given.call("its formats"):
            if checkpoint:
                return in_checkpoint(given, read_checkpoint(checkpoint))
            return _named(given, name)
    except SymflopsError as error:
        raise error.within(given.name) from None


def _named(model: Model, name: str) -> Model:
    if name == passes.NONE:
        return passes.plain(model)
    if not name.lower().startswith(PREFIX):
        return passes.formats(model, named(name))
    mix, _, option = name.partition(":")
    if option not in ("", "imatrix"):
        raise SymflopsError(f"{name[:60]}: only imatrix, for an importance matrix, may stand there")
    return in_gguf(model, mix_named(mix), weighted=option == "imatrix")
