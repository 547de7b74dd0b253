"""Writes the tiny model as a GGUF v3 file.

Layout: magic, version, counts, metadata, tensor table, then the tensors, each aligned to 32
bytes. Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

import struct
from pathlib import Path

import numpy as np
import torch

from tiny_model import TinyLlama
from tiny_tokenizer import BOS, CHAT_TEMPLATE, EOS, SPECIALS, Tokenizer

ALIGNMENT = 32
GGUF_VERSION = 3
VALUE_U32, VALUE_I32, VALUE_F32, VALUE_BOOL, VALUE_STRING, VALUE_ARRAY = 4, 5, 6, 7, 8, 9
TENSOR_F32, TENSOR_F16 = 0, 1
FILE_TYPE_MOSTLY_F16 = 1
TOKEN_NORMAL, TOKEN_CONTROL = 1, 3


def pack_string(text: str) -> bytes:
    """A length in 64 bits and the UTF-8 bytes."""
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def pack_value(value: object) -> bytes:
    """A metadata value with its type: bool, int (u32), float, str, or a list of int or str."""
    if isinstance(value, bool):
        return struct.pack("<I?", VALUE_BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", VALUE_U32, value)
    if isinstance(value, float):
        return struct.pack("<If", VALUE_F32, value)
    if isinstance(value, str):
        return struct.pack("<I", VALUE_STRING) + pack_string(value)
    assert isinstance(value, list) and value
    if isinstance(value[0], str):
        element, body = VALUE_STRING, b"".join(pack_string(item) for item in value)
    else:
        element, body = VALUE_I32, struct.pack(f"<{len(value)}i", *value)
    return struct.pack("<IIQ", VALUE_ARRAY, element, len(value)) + body


def metadata(model: TinyLlama, tokenizer: Tokenizer) -> dict[str, object]:
    """Every key of the file: what the model is, its sizes, its vocabulary, its template."""
    shape = model.shape
    return {
        "general.architecture": "llama",
        "general.type": "model",
        "general.name": "weft tiny",
        "general.description": "A tiny model for weft's demo and tests: sums up to 99 and "
                               "questions about short stories.",
        "general.license": "mit",
        "general.file_type": FILE_TYPE_MOSTLY_F16,
        "general.alignment": ALIGNMENT,
        "llama.vocab_size": shape.vocab_size,
        "llama.context_length": shape.context_length,
        "llama.embedding_length": shape.hidden_dim,
        "llama.block_count": shape.layer_count,
        "llama.feed_forward_length": shape.ffn_dim,
        "llama.attention.head_count": shape.head_count,
        "llama.attention.head_count_kv": shape.kv_head_count,
        "llama.attention.key_length": shape.head_dim,
        "llama.attention.value_length": shape.head_dim,
        "llama.attention.layer_norm_rms_epsilon": shape.norm_eps,
        "llama.rope.freq_base": shape.rope_base,
        "llama.rope.dimension_count": shape.head_dim,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "llama-bpe",
        "tokenizer.ggml.tokens": tokenizer.tokens,
        "tokenizer.ggml.token_type": [TOKEN_CONTROL if token in SPECIALS else TOKEN_NORMAL
                                      for token in tokenizer.tokens],
        "tokenizer.ggml.merges": [f"{left} {right}" for left, right in tokenizer.merges],
        "tokenizer.ggml.bos_token_id": tokenizer.ids[BOS],
        "tokenizer.ggml.eos_token_id": tokenizer.ids[EOS],
        "tokenizer.ggml.eot_token_id": tokenizer.ids[EOS],
        "tokenizer.ggml.padding_token_id": tokenizer.ids[EOS],
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": False,
        "tokenizer.chat_template": CHAT_TEMPLATE,
    }


def tensor_name(parameter: str) -> str:
    """GGUF's name for a parameter: layers.3.attn_q.weight becomes blk.3.attn_q.weight."""
    return parameter.replace("layers.", "blk.", 1)


def tensor_data(parameter: torch.Tensor) -> tuple[int, np.ndarray]:
    """The type and values of a tensor: matrices in f16, vectors in f32."""
    values = parameter.detach().numpy()
    return (TENSOR_F32, values.astype("<f4")) if values.ndim == 1 else (
        TENSOR_F16, values.astype("<f2"))


def write_gguf(path: Path, model: TinyLlama, tokenizer: Tokenizer) -> None:
    """Writes the model to path, whole or not at all."""
    keys = metadata(model, tokenizer)
    tensors = [(tensor_name(name), *tensor_data(parameter))
               for name, parameter in model.named_parameters()]
    head = b"GGUF" + struct.pack("<IQQ", GGUF_VERSION, len(tensors), len(keys))
    for key, value in keys.items():
        head += pack_string(key) + pack_value(value)
    body = b""
    for name, kind, values in tensors:
        dims = values.shape[::-1]  # GGUF lists the dimension that varies fastest first.
        head += pack_string(name) + struct.pack(f"<I{len(dims)}Q", len(dims), *dims)
        head += struct.pack("<IQ", kind, len(body))
        body += values.tobytes()
        body += b"\0" * (-len(body) % ALIGNMENT)
    head += b"\0" * (-len(head) % ALIGNMENT)
    partial = path.with_suffix(".partial")
    partial.write_bytes(head + body)
    partial.replace(path)
