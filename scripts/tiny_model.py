"""The tiny model itself: a llama-family transformer in torch, and the Muon optimizer.

Kept to what every llama loader computes: RMSNorm, grouped-query attention with rotary positions
on interleaved pairs (2i, 2i+1), SwiGLU, no biases, the output head tied to the embedding.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Shape:
    """Sizes of the model. Rows of 256 suit every block quantization of GGUF."""

    vocab_size: int
    context_length: int = 512
    hidden_dim: int = 256
    layer_count: int = 8
    head_count: int = 8
    kv_head_count: int = 4
    ffn_dim: int = 256
    norm_eps: float = 1e-5
    rope_base: float = 10_000.0

    @property
    def head_dim(self) -> int:
        """Values per attention head."""
        return self.hidden_dim // self.head_count


def rope_turns(shape: Shape, token_count: int) -> torch.Tensor:
    """Unit complex numbers [token_count, 1, head_dim / 2] that turn queries and keys.

    Source: Su et al. 2021, arXiv:2104.09864.
    """
    pairs = torch.arange(0, shape.head_dim, 2, dtype=torch.float32) / shape.head_dim
    angles = torch.outer(torch.arange(token_count, dtype=torch.float32), shape.rope_base ** -pairs)
    return torch.polar(torch.ones_like(angles), angles)[:, None, :]


def rotate(x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Turns x [batch, token, head, head_dim] by its positions."""
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * turns).flatten(-2)


class RmsNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * weight, over the last dimension."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalizes x."""
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


class Layer(nn.Module):
    """One transformer layer: attention, then a SwiGLU feed-forward, each on a residual path."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        dim, kv_dim = shape.hidden_dim, shape.kv_head_count * shape.head_dim
        self.attn_norm = RmsNorm(dim, shape.norm_eps)
        self.attn_q = nn.Linear(dim, dim, bias=False)
        self.attn_k = nn.Linear(dim, kv_dim, bias=False)
        self.attn_v = nn.Linear(dim, kv_dim, bias=False)
        self.attn_output = nn.Linear(dim, dim, bias=False)
        self.ffn_norm = RmsNorm(dim, shape.norm_eps)
        self.ffn_gate = nn.Linear(dim, shape.ffn_dim, bias=False)
        self.ffn_up = nn.Linear(dim, shape.ffn_dim, bias=False)
        self.ffn_down = nn.Linear(shape.ffn_dim, dim, bias=False)

    def attend(self, x: torch.Tensor, turns: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Causal grouped-query attention over x [batch, token, hidden_dim]."""
        batch, tokens, _ = x.shape
        heads, kv_heads, dim = self.shape.head_count, self.shape.kv_head_count, self.shape.head_dim
        query = rotate(self.attn_q(x).view(batch, tokens, heads, dim), turns)
        key = rotate(self.attn_k(x).view(batch, tokens, kv_heads, dim), turns)
        value = self.attn_v(x).view(batch, tokens, kv_heads, dim)
        # Query heads share a key head in runs of heads / kv_heads: fold the run into the rows.
        group = heads // kv_heads
        query = query.view(batch, tokens, kv_heads, group, dim).permute(0, 2, 3, 1, 4)
        query = query.reshape(batch, kv_heads, group * tokens, dim)
        scores = query @ key.permute(0, 2, 3, 1) * dim ** -0.5
        scores = scores.view(batch, kv_heads, group, tokens, tokens) + mask
        weights = scores.softmax(-1).view(batch, kv_heads, group * tokens, tokens)
        mixed = (weights @ value.transpose(1, 2)).view(batch, kv_heads, group, tokens, dim)
        return self.attn_output(mixed.permute(0, 3, 1, 2, 4).reshape(batch, tokens, heads * dim))

    def forward(self, x: torch.Tensor, turns: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The layer's output for x [batch, token, hidden_dim]."""
        x = x + self.attend(self.attn_norm(x), turns, mask)
        y = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(y)) * self.ffn_up(y))


class TinyLlama(nn.Module):
    """The whole model: token ids [batch, token] to logits [batch, token, vocab_size]."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.vocab_size, shape.hidden_dim)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layer_count))
        self.output_norm = RmsNorm(shape.hidden_dim, shape.norm_eps)
        nn.init.normal_(self.token_embd.weight, std=0.05)
        for layer in self.layers:
            # Each layer starts as the identity and learns its part.
            nn.init.zeros_(layer.attn_output.weight)
            nn.init.zeros_(layer.ffn_down.weight)

    def hidden(self, ids: torch.Tensor) -> torch.Tensor:
        """The normalized state [batch, token, hidden_dim] that the head reads."""
        tokens = ids.shape[1]
        turns = rope_turns(self.shape, tokens)
        mask = torch.full((tokens, tokens), float("-inf")).triu(1)
        x = self.token_embd(ids)
        for layer in self.layers:
            x = layer(x, turns, mask)
        return self.output_norm(x)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits for every position."""
        return self.hidden(ids) @ self.token_embd.weight.T


def orthogonalize(matrices: torch.Tensor) -> torch.Tensor:
    """The nearest orthogonal matrices to a stack [count, rows, columns], approximately.

    Five Newton-Schulz steps with Muon's coefficients.
    Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/.
    """
    x = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    tall = x.shape[-2] > x.shape[-1]
    x = x.transpose(-2, -1) if tall else x
    for _ in range(5):
        gram = x @ x.transpose(-2, -1)
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.transpose(-2, -1) if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum whose steps are orthogonalized; for the matrices inside the layers."""

    def __init__(self, params: list[nn.Parameter], lr: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": 0.95})

    @torch.no_grad()
    def step(self) -> None:
        """One update; matrices of one shape go through orthogonalize() together."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = {}
            for param in group["params"]:
                by_shape.setdefault(param.shape, []).append(param)
            for (rows, columns), params in by_shape.items():
                steps = []
                for param in params:
                    momentum = self.state[param].setdefault("momentum", torch.zeros_like(param))
                    momentum.lerp_(param.grad, 1 - group["momentum"])
                    steps.append(param.grad.lerp(momentum, group["momentum"]))
                scale = group["lr"] * max(1.0, rows / columns) ** 0.5
                for param, update in zip(params, orthogonalize(torch.stack(steps))):
                    param.mul_(1 - group["lr"] * group["weight_decay"])
                    param.add_(update, alpha=-scale)
