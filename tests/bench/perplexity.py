#!/usr/bin/env python3
"""How well models foretell the held-out chats of assets/.

    perplexity.py MODEL.gguf... [--weft build/weft] [--chats 200]

Each chat is a text of its own; all of its tokens but the first count. The others are compared with
the first model: their perplexity, and the mean Kullback-Leibler divergence of what they foretell
from what it does.
"""
import argparse
import array
import json
import math
import os
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def chats(count):
    for name in ("questions", "sums"):
        with open(os.path.join(ROOT, "assets", f"tiny_heldout_{name}.jsonl")) as file:
            for line in [json.loads(line) for line in file][:count]:
                turns = [(turn["role"], turn["content"]) for turn in line["messages"]]
                turns.append(("assistant", line["answer"]))
                yield "".join(f"<|{role}|>\n{text}<|endoftext|>\n" for role, text in turns)


def tokens_of(weft, model, text):
    done = subprocess.run([weft, "tokenize", model, "--parse-special"], check=True,
                          input=text.encode(), capture_output=True)
    return json.loads(done.stdout)


def log_chances(weft, model, tokens, folder):
    """Of every token of the vocabulary, after each token."""
    out = os.path.join(folder, "logits")
    subprocess.run([weft, "logits", model, "--tokens", ",".join(map(str, tokens)), "--out", out],
                   check=True, capture_output=True)
    logits = array.array("f")
    with open(out, "rb") as file:
        logits.frombytes(file.read())
    vocab = len(logits) // len(tokens)
    rows = []
    for at in range(0, len(logits), vocab):
        row = logits[at:at + vocab]
        top = max(row)
        total = top + math.log(sum(math.exp(x - top) for x in row))
        rows.append(array.array("f", (x - total for x in row)))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--weft", default=os.path.join(ROOT, "build", "weft"))
    parser.add_argument("--chats", type=int, default=200, help="of each set")
    options = parser.parse_args()
    weft, models = options.weft, options.models
    texts = [tokens_of(weft, models[0], text) for text in chats(options.chats)]
    first_loss, first = None, None
    with tempfile.TemporaryDirectory() as folder:
        for model in models:
            found = [log_chances(weft, model, tokens, folder) for tokens in texts]
            first = first or found
            losses, divergences = [], []
            for tokens, rows, firsts in zip(texts, found, first):
                losses += [-row[token] for row, token in zip(rows, tokens[1:])]
                divergences += [sum(math.exp(p) * (p - q) for p, q in zip(of_first, row))
                                for of_first, row in zip(firsts, rows[:-1])]
            loss = sum(losses) / len(losses)
            first_loss = first_loss or loss
            print(f"{os.path.basename(model):28} perplexity {math.exp(loss):9.5f} "
                  f"{100 * (math.exp(loss - first_loss) - 1):+8.3f} %  divergence "
                  f"{sum(divergences) / len(divergences):.6f}  ({len(losses)} tokens)", flush=True)


if __name__ == "__main__":
    main()
