#!/usr/bin/python3
"""Trains assets/weft-tiny.gguf and its held-out sets; see assets/README.md.

Needs Debian's python3-torch and libopenblas0-pthread. Runs again from its last checkpoint when
it was stopped. A seed gives the same data; the schedule is fixed.
"""

import argparse
import json
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# One thread inside each operation, several batches at a time: on a busy machine that is faster
# than several threads that wait for one another in every operation.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import torch
import torch.nn.functional as F

from tiny_data import make_document, write_heldout
from tiny_gguf import write_gguf
from tiny_model import Muon, Shape, TinyLlama
from tiny_tokenizer import BOS, EOS, SPECIALS, Tokenizer, train_merges

ROOT = Path(__file__).resolve().parent.parent
VOCAB_SIZE = 1024
BATCH_TOKENS = 768
STEP_KINDS = ("question", "interview", "interview")  # And one of each of these by turns:
COPY_KINDS = ("sum", "inventory", "sum", "echo")
TURN_KINDS = ("list", "sum", "turns", "story", "sum", "talk")
VOCABULARY_DOCUMENTS = 3_000
# The learning rate as a share of its maximum, straight between these (step, share) points.
RATE_POINTS = ((-1, 0.0), (39, 1.0), (300, 1.0), (800, 0.4), (1_100, 0.1), (1_130, 0.3),
               (1_550, 0.0))
STEP_COUNT = RATE_POINTS[-1][0]
MUON_LR = 0.02
# Queries and keys learn slowly: at 0.02 every head attends to one token only within 500 steps,
# and a head that sharp learns nothing new.
QUERY_KEY_LR = 0.008
ADAM_LR = 3e-3
WEIGHT_DECAY = 0.1
CHECKPOINT_EVERY = 50
ANSWER_TOKENS_MAX = 64

Batch = tuple[torch.Tensor, torch.Tensor]


def make_tokenizer(seed: int) -> Tokenizer:
    """The vocabulary of a sample of every kind of text."""
    rng = random.Random(f"vocabulary-{seed}")
    texts = []
    for kind in sorted({*STEP_KINDS, *COPY_KINDS, *TURN_KINDS}):
        for _ in range(VOCABULARY_DOCUMENTS):
            document = make_document(rng, kind)
            texts += [document.text, *(message.content for message in document.messages)]
    return Tokenizer(train_merges(texts, VOCAB_SIZE - 256 - len(SPECIALS)))


def make_batch(rng: random.Random, tokenizer: Tokenizer, kind: str) -> Batch:
    """Ids and loss weights [rows, tokens] of about BATCH_TOKENS tokens of one kind."""
    rows: list[tuple[list[int], list[float]]] = []
    longest = 0
    while longest * len(rows) < BATCH_TOKENS:
        rows.append(tokenizer.training_ids(make_document(rng, kind)))
        longest = max(longest, len(rows[-1][0]))
    end = tokenizer.ids[EOS]
    ids = [row + [end] * (longest - len(row)) for row, _ in rows]
    weights = [row + [0.0] * (longest - len(row)) for _, row in rows]
    return torch.tensor(ids), torch.tensor(weights)


def step_batches(seed: int, step: int, tokenizer: Tokenizer) -> list[Batch]:
    """The batches of one step; the same for the same seed and step."""
    rng = random.Random(f"{seed}-{step}")
    kinds = [*STEP_KINDS, COPY_KINDS[step % len(COPY_KINDS)], TURN_KINDS[step % len(TURN_KINDS)]]
    return [make_batch(rng, tokenizer, kind) for kind in kinds]


def batch_gradients(model: TinyLlama, batch: Batch,
                    total_weight: float) -> tuple[float, tuple[torch.Tensor, ...]]:
    """The share of the step's loss that one batch brings, and its gradients."""
    ids, weights = batch
    wanted = weights[:, 1:] > 0
    logits = model.hidden(ids)[:, :-1][wanted] @ model.token_embd.weight.T
    losses = F.cross_entropy(logits, ids[:, 1:][wanted], reduction="none")
    loss = (losses * weights[:, 1:][wanted]).sum() / total_weight
    return float(loss), torch.autograd.grad(loss, list(model.parameters()))


def train_step(model: TinyLlama, batches: list[Batch], pool: ThreadPoolExecutor) -> float:
    """Sets the gradients of one step, summed in a fixed order; returns its loss in nats."""
    total_weight = sum(float(weights[:, 1:].sum()) for _, weights in batches)
    results = list(pool.map(lambda batch: batch_gradients(model, batch, total_weight), batches))
    for parameter, *gradients in zip(model.parameters(), *(grads for _, grads in results)):
        parameter.grad = torch.stack(gradients).sum(0)
    return sum(loss for loss, _ in results)


def learning_rate(step: int) -> float:
    """The share of the maximal learning rate that a step takes."""
    steps, shares = zip(*RATE_POINTS)
    return float(np.interp(step, steps, shares))


@torch.no_grad()
def generate(model: TinyLlama, tokenizer: Tokenizer, prompt: list[int]) -> str:
    """The greedy continuation of a prompt, up to the end token."""
    ids = list(prompt)
    for _ in range(ANSWER_TOKENS_MAX):
        best = int(model.hidden(torch.tensor([ids]))[0, -1].matmul(model.token_embd.weight.T)
                   .argmax())
        if best == tokenizer.ids[EOS]:
            break
        ids.append(best)
    return tokenizer.decode(ids[len(prompt):])


def is_right(answer: str, line: dict) -> bool:
    """Whether an answer holds what is expected; of a sum, as the number after the last =."""
    if "=" in line["answer"]:
        return answer.rpartition("=")[2].strip(" .") == line["expect"]
    return line["expect"] in answer


def heldout_share(model: TinyLlama, tokenizer: Tokenizer, path: Path, show: int = 0) -> float:
    """The share of a held-out set that is answered right."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    right = 0
    for line in lines:
        answer = generate(model, tokenizer, tokenizer.prompt(line["messages"]))
        if is_right(answer, line):
            right += 1
        elif show > 0:
            show -= 1
            print(f"  wrong: {line['messages'][-1]['content']!r} -> {answer!r}", flush=True)
    return right / len(lines)


def report(model: TinyLlama, tokenizer: Tokenizer, assets: Path) -> None:
    """Prints the held-out figures and how one plain story goes on."""
    sums = heldout_share(model, tokenizer, assets / "tiny_heldout_sums.jsonl", show=5)
    questions = heldout_share(model, tokenizer, assets / "tiny_heldout_questions.jsonl", show=5)
    print(f"held-out sums {sums:.1%} questions {questions:.1%}", flush=True)
    start = [tokenizer.ids[BOS], *tokenizer.encode("The lamp")]
    print(f"  The lamp{generate(model, tokenizer, start)}", flush=True)


def make_optimizers(model: TinyLlama) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, Adam for the embedding and the norms."""
    query_key, inner, other = [], [], []
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1 or name.startswith("token_embd"):
            other.append(parameter)
        else:
            (query_key if "attn_q" in name or "attn_k" in name else inner).append(parameter)
    return [Muon(query_key, lr=QUERY_KEY_LR, weight_decay=WEIGHT_DECAY),
            Muon(inner, lr=MUON_LR, weight_decay=WEIGHT_DECAY),
            torch.optim.Adam(other, lr=ADAM_LR, betas=(0.9, 0.98))]


def train(options: argparse.Namespace) -> None:
    """The whole run: resume, train, checkpoint, export and report."""
    torch.manual_seed(options.seed)
    checkpoint = options.checkpoints / "last.pt"
    state = torch.load(checkpoint) if checkpoint.exists() else {}
    tokenizer = Tokenizer(state["merges"]) if state else make_tokenizer(options.seed)
    model = TinyLlama(Shape(vocab_size=len(tokenizer.tokens)))
    optimizers = make_optimizers(model)
    base_lrs = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
    first_step = state.get("step", 0)
    if state:
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved)
    count = sum(parameter.numel() for parameter in model.parameters())
    print(f"parameters {count} vocabulary {len(tokenizer.tokens)} from step {first_step}")
    pool = ThreadPoolExecutor(options.threads)
    started, tokens, losses = time.monotonic(), 0, []
    for step in range(first_step, STEP_COUNT):
        for optimizer, base in zip(optimizers, base_lrs):
            optimizer.param_groups[0]["lr"] = base * learning_rate(step)
        batches = step_batches(options.seed, step, tokenizer)
        losses.append(train_step(model, batches, pool))
        for optimizer in optimizers:
            optimizer.step()
        tokens += sum(ids.numel() for ids, _ in batches)
        done = step + 1
        if done % 20 == 0:
            seconds = time.monotonic() - started
            print(f"step {done} loss {sum(losses) / len(losses):.4f} "
                  f"tokens/s {tokens / seconds:.0f} seconds {seconds:.0f}", flush=True)
            losses.clear()
        if done % CHECKPOINT_EVERY == 0 or done == STEP_COUNT:
            state = {"step": done, "merges": tokenizer.merges, "model": model.state_dict(),
                     "optimizers": [optimizer.state_dict() for optimizer in optimizers]}
            torch.save(state, checkpoint.with_suffix(".partial"))
            checkpoint.with_suffix(".partial").replace(checkpoint)
            write_gguf(options.assets / "weft-tiny.gguf", model, tokenizer)
    report(model, tokenizer, options.assets)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--assets", type=Path, default=ROOT / "assets")
    parser.add_argument("--checkpoints", type=Path, default=ROOT / "build" / "tiny-checkpoints")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    options.assets.mkdir(parents=True, exist_ok=True)
    options.checkpoints.mkdir(parents=True, exist_ok=True)
    write_heldout(options.assets)
    train(options)


if __name__ == "__main__":
    main()
