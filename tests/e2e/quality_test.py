"""quality_test.py WEFT: the tiny model's held-out sums and questions, asked of a mesh of three.

A WEFT_PATIENCE above 1 (sanitizer builds) asks 20 of each.
"""
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from lab import PATIENCE, ROOT, Lab, expect, need_model

THREADS = 8


def held_out(name):
    with open(os.path.join(ROOT, "assets", f"tiny_heldout_{name}.jsonl")) as file:
        lines = [json.loads(line) for line in file]
    return lines[:20] if PATIENCE > 1 else lines


def sum_is_right(text, expected):
    return text.rsplit("=", 1)[-1].replace(" ", "").replace(".", "").strip() == expected


def question_is_right(text, expected):
    return expected in text


def share_right(node, name, is_right):
    def ask(line):
        text = node.complete(None, chat=True, messages=line["messages"], max_tokens=64)
        return text, is_right(text, line["expect"])

    lines = held_out(name)
    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(ask, lines))
    right = sum(is_good for _, is_good in answers)
    for line, (text, is_good) in zip(lines, answers):
        if not is_good:
            print(f"  wrong: {line['messages'][-1]['content']} -> {text!r}")
    print(f"{name}: {right} of {len(lines)} right")
    return right / len(lines)


def main():
    need_model()
    with Lab(sys.argv[1]) as lab:
        nodes = lab.loopback_mesh("--memory", "24M", "--kv-tokens", "4096", "--min-nodes", "3")
        print(f"layers: {nodes[0].layers()}")
        expect(len(nodes[0].layers()) == 3, "the model is not spread over three nodes")
        sums = share_right(nodes[1], "sums", sum_is_right)
        questions = share_right(nodes[2], "questions", question_is_right)
        expect(sums >= 0.95, "fewer than 95 % of the sums are right")
        expect(questions >= 0.90, "fewer than 90 % of the questions are right")


if __name__ == "__main__":
    main()
