"""families_test.py WEFT: a small random model of every architecture, served by a mesh of three.

The mesh's greedy text must be that of one process, whatever the cuts; the prompt is longer than the
models' windows.
"""
import json
import os
import sys

from lab import Lab, Node, expect, wait_for

ARCHITECTURES = ["llama", "qwen2", "qwen3", "qwen3moe", "gemma2", "gemma3", "phi3", "gpt-oss"]
PROMPT = "the rain in the hills is then in the streams and in the rivers to the one great sea "
TOKENS = 24


def write_models(lab):
    folder = os.path.join(lab.dir, "models")
    os.makedirs(folder)
    writer = Node(lab, "writer")
    for seed, name in enumerate(ARCHITECTURES):
        writer.weft("synth", os.path.join(folder, name + ".gguf"), "--arch", name, "--shape",
                    "tiny", "--layers", "7", "--seed", str(seed + 5))
    return folder


def is_served(node, name):
    plan = node.mesh().get("plan") or {}
    return node.ready() and plan.get("model_name") == name and plan.get("active")


def serve(nodes, name):
    # The mesh changes its model only when no stream is open, as the members' last beats say.
    def asked():
        status, text = nodes[0].http("/api/model", {"name": name})
        expect(status == 202, f"{name}: {status} {text}")
        return is_served(nodes[0], name)

    wait_for(f"{name} is served", asked, 60, every=1)
    for node in nodes:
        wait_for(f"{name} is served by {node.name}", lambda: is_served(node, name), 60)


def main():
    with Lab(sys.argv[1]) as lab:
        folder = write_models(lab)
        lab.model_dir = lambda: folder
        nodes = lab.loopback_mesh("--memory", "256M", "--kv-tokens", "1024", "--min-nodes", "3")
        for name in ARCHITECTURES:
            serve(nodes, name)
            layers = nodes[0].layers()
            expect(len(layers) == 3, f"{name} is not spread over three nodes: {layers}")
            alone = nodes[0].weft("run", os.path.join(folder, name + ".gguf"), "--raw", "-p",
                                  PROMPT, "-n", str(TOKENS), "--temp", "0", "--ctx", "1024",
                                  "--json", "--threads", "1")
            expected = json.loads(alone.stdout)["text"]
            for node in nodes:
                text = node.complete(PROMPT, max_tokens=TOKENS, model=name)
                expect(text == expected, f"{name} on {node.name}: {text!r} is not {expected!r}")
            print(f"{name}: {sorted(layers.values())}, {len(expected)} characters the same")


if __name__ == "__main__":
    main()
