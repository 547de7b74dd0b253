"""vulkan_test.py WEFT: a mesh of a Vulkan node and a cpu node answers, and says who is which.

The device is any that the machine has; without a GPU, Mesa's lavapipe. Skipped where there is no
Vulkan driver.
"""
import json
import sys

from lab import MODEL, Lab, Node, expect, need_model, skip, wait_for

QUESTION = "What is 27 + 58?"


def device(lab):
    """A part of the first Vulkan device's name, or None."""
    node = Node(lab, "probe")
    done = node.weft("bench", MODEL, "--backend", "vulkan", "--vulkan-device", "no such device",
                     "-n", "1", check=False)
    words = done.stderr.partition("there is: ")[2].split(".")[0].split()
    return words[1] if len(words) > 1 else None


def main():
    need_model()
    with Lab(sys.argv[1]) as lab:
        name = device(lab)
        if name is None:
            skip("no Vulkan device")
        gpu = ["--backend", "vulkan", "--vulkan-device", name]
        nodes = [Node(lab, "gpu"), Node(lab, "cpu")]
        nodes[0].weft("init", "--dir", nodes[0].dir, "--name", "gpu")
        lab.join(*nodes)
        shared = ["--memory", "24M", "--kv-tokens", "2048", "--min-nodes", "2"]
        nodes[0].up(*shared, *gpu, "--model-dir", lab.model_dir())
        nodes[1].up(*shared)
        for node in nodes:
            wait_for(f"{node.name} is ready", node.ready, 60)
        layers = nodes[0].layers()
        print(f"layers: {layers}")
        expect(sorted(layers) == ["cpu", "gpu"], "the model is not spread over both")
        for node in nodes:
            text = node.complete(QUESTION, chat=True, max_tokens=32)
            print(f"{node.name}: {text!r}")
            expect("85" in text, "a wrong answer")
        backends = {n["name"]: n["backend"].split()[0] for n in nodes[1].mesh()["nodes"]}
        expect(backends == {"gpu": "vulkan", "cpu": "cpu"}, f"wrong backends: {backends}")
        status = json.loads(nodes[0].weft("status", "--dir", nodes[0].dir, "--json").stdout)
        expect(any(name in d["name"] for d in status["vulkan_devices"]), "no device in the status")
        text = nodes[0].weft("status", "--dir", nodes[0].dir).stdout
        expect("--vulkan-device" in text and name in text, f"no device in the status:\n{text}")


if __name__ == "__main__":
    main()
