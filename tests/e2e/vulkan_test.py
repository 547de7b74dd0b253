"""vulkan_test.py WEFT: a Vulkan node, a cpu node and one that is both answer as one mesh.

The device is any that the machine has; without a GPU, Mesa's lavapipe. Skipped where there is no
Vulkan driver.
"""
import json
import os
import re
import subprocess
import sys

from lab import MODEL, ROOT, Lab, Node, expect, need_model, skip, wait_for

QUESTION = "What is 27 + 58?"


def device(lab):
    """A part of the first Vulkan device's name, or None."""
    node = Node(lab, "probe")
    done = node.weft("bench", MODEL, "--backend", "vulkan", "--vulkan-device", "no such device",
                     "-n", "1", check=False)
    words = done.stderr.partition("there is: ")[2].split(".")[0].split()
    return words[1] if len(words) > 1 else None


def resident_kib(node):
    with open(f"/proc/{node.process.pid}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))


def soak(node, requests):
    """Many short requests of all lengths; the first tenth warms what is made once."""
    start, handles = None, None
    for i in range(requests):
        if i == requests // 10:
            start, handles = resident_kib(node), len(os.listdir(f"/proc/{node.process.pid}/fd"))
        node.complete(QUESTION * (1 + i % 5), max_tokens=1 + i % 3)
    end = resident_kib(node)
    handles_now = len(os.listdir(f"/proc/{node.process.pid}/fd"))
    print(f"soak: {requests} requests, memory {start} to {end} KiB, "
          f"handles {handles} to {handles_now}")
    expect(end <= start * 1.05 + 2048, "memory grows")
    expect(handles_now <= handles + 2, "handles are left open")


def auto_says_what_it_chose(lab):
    """Without --backend, a device that is no GPU is not used."""
    node = Node(lab, "auto")
    node.weft("init", "--dir", node.dir, "--name", "auto")
    node.up("--kv-tokens", "2048", "--model-dir", lab.model_dir())
    wait_for("auto is ready", node.ready, 60)
    status = json.loads(node.weft("status", "--dir", node.dir, "--json").stdout)
    if any(d["kind"] in ("discrete", "integrated") for d in status["vulkan_devices"]):
        return
    said = re.search(r"backend.auto chosen=(\w+) why=(.*)", node.log())
    print(f"auto: {said.group(0)}")
    expect(said.group(1) == "cpu" and "no GPU" in said.group(2), "auto does not say why")
    expect(node.mesh()["nodes"][0]["backend"].startswith("cpu "), "it computes on another device")


def draws_from_the_best(lab, gpu):
    """Log probabilities take all logits from the device; without them it gives the best alone."""
    node = Node(lab, "alone")
    node.weft("init", "--dir", node.dir, "--name", "alone")
    node.up("--kv-tokens", "2048", *gpu, "--model-dir", lab.model_dir())
    wait_for("alone is ready", node.ready, 60)
    for more in ({}, {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "seed": 3},
                 {"temperature": 1.5, "seed": 4}, {"temperature": 2, "top_p": 0.9, "seed": 5}):
        question = {"chat": True, "max_tokens": 24, **more}
        text = node.complete(QUESTION, **question)
        scored = node.complete(QUESTION, logprobs=True, **question)
        print(f"drawn with {more}: {text!r}")
        expect(text == scored and text, f"another text from all logits: {scored!r}")


def main():
    need_model()
    requests = int(sys.argv[sys.argv.index("--soak") + 1]) if "--soak" in sys.argv else 40
    with Lab(sys.argv[1]) as lab:
        name = device(lab)
        if name is None:
            skip("no Vulkan device")
        gpu = ["--backend", "vulkan", "--vulkan-device", name]
        nodes = [Node(lab, "gpu"), Node(lab, "cpu"), Node(lab, "both")]
        nodes[0].weft("init", "--dir", nodes[0].dir, "--name", "gpu")
        for node in nodes[1:]:
            lab.join(nodes[0], node)
        shared = ["--kv-tokens", "2048", "--min-nodes", "3"]
        nodes[0].up(*shared, *gpu, "--memory", "7M", "--model-dir", lab.model_dir())
        nodes[1].up(*shared, "--memory", "7M", "--backend", "cpu")
        nodes[2].up(*shared, *gpu, "--memory", "24M", "--vulkan-memory", "7M")
        for node in nodes:
            wait_for(f"{node.name} is ready", node.ready, 60)
        layers = nodes[0].layers()
        print(f"layers: {layers}")
        expect(sorted(layers) == ["both", "cpu", "gpu"], "the model is not spread over all three")
        first, last = layers["both"]
        beside = int(re.findall(r"slice.loaded .* on_processor=(\d+)", nodes[2].log())[-1])
        print(f"both: {beside} of {last - first} layers on the processor")
        expect(0 < beside < last - first, "its layers are not on both")
        for node in nodes:
            text = node.complete(QUESTION, chat=True, max_tokens=32)
            print(f"{node.name}: {text!r}")
            expect("85" in text, "a wrong answer")
        backends = {n["name"]: n["backend"].split()[0] for n in nodes[1].mesh()["nodes"]}
        expect(backends == {"gpu": "vulkan", "cpu": "cpu", "both": "vulkan"},
               f"wrong backends: {backends}")
        status = json.loads(nodes[0].weft("status", "--dir", nodes[0].dir, "--json").stdout)
        expect(any(name in d["name"] for d in status["vulkan_devices"]), "no device in the status")
        text = nodes[0].weft("status", "--dir", nodes[0].dir).stdout
        expect("--vulkan-device" in text and name in text, f"no device in the status:\n{text}")
        soak(nodes[0], requests)
        draws_from_the_best(lab, gpu)
        auto_says_what_it_chose(lab)
    demo = subprocess.run([os.path.join(ROOT, "scripts", "demo.sh"), "--weft", sys.argv[1],
                           "--vulkan", name], capture_output=True, text=True, timeout=240)
    expect(demo.returncode == 0, f"the demo failed:\n{demo.stdout}{demo.stderr}")
    print(demo.stdout.partition("== the board asks")[0].rpartition("node   ")[2])


if __name__ == "__main__":
    main()
