"""namespaces_test.py WEFT BOUNDARY STRANGER: the mesh on a network of its own.

Four nodes in four network namespaces hang on a bridge in a fifth, where tcpdump listens. Three are
one mesh; the fourth is a stranger. What the three answer, what the stranger can do, what the wire
shows and what the loss of a node costs.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

from lab import MODEL, PATIENCE, Lab, Node, expect, metric, need_model, skip, wait_for

PROMPTS = ["The lamp", "12 + 34 =", "Mia has the lamp. The phone is", "Once the kettle", "a" * 40]
CHATS = ["What is 27 + 58?", "Tell me a story about the lamp."]
CANARY = "The canary heron 7319 sat on the lamp and told the kettle of a quiet river"
MARK = b"weft-e2e-plain-frame-in-the-open"  # what `stranger` sends in the open
UP = ["--kv-tokens", "2048", "--min-nodes", "3"]


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


def make_network(lab):
    """Four nodes with an eth0 each, 10.77.0.1 to 4, and the namespace of their bridge."""
    middle = lab.namespace("bridge")
    ip("-n", middle, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
    ip("-n", middle, "link", "set", "br0", "up")
    nodes = []
    for number in range(1, 5):
        own = lab.namespace(f"n{number}")
        ip("-n", own, "link", "add", "eth0", "type", "veth", "peer", "name", f"port{number}",
           "netns", middle)
        ip("-n", middle, "link", "set", f"port{number}", "master", "br0", "up")
        ip("-n", own, "addr", "add", f"10.77.0.{number}/24", "dev", "eth0")
        ip("-n", own, "link", "set", "eth0", "up")
        nodes.append(Node(lab, f"node{number}", own, "eth0", f"10.77.0.{number}"))
    return middle, nodes


def start_capture(lab, middle):
    path = os.path.join(lab.dir, "bridge.pcap")
    log = open(os.path.join(lab.dir, "tcpdump.log"), "wb")
    process = subprocess.Popen(["ip", "netns", "exec", middle, "tcpdump", "-i", "br0", "-s", "0",
                                "-B", "65536", "-U", "-Z", "root", "-w", path],
                               stdout=log, stderr=log)
    lab.processes.append(process)
    wait_for("tcpdump listens", lambda: os.path.exists(path) and os.path.getsize(path) >= 24)
    return process, path


def texts(node):
    return ([node.complete(prompt, seed=1) for prompt in PROMPTS] +
            [node.complete(prompt, chat=True) for prompt in CHATS])


def alone(lab, models):
    """The texts of one node that runs the whole model, on loopback."""
    node = Node(lab, "alone")
    node.weft("init", "--dir", node.dir, "--name", "alone")
    node.up("--memory", "512M", "--kv-tokens", "2048", "--model-dir", models, "--no-mdns")
    wait_for("the one node is ready", node.ready, 60)
    expected = texts(node)
    node.process.send_signal(signal.SIGINT)
    expect(node.process.wait(timeout=10 * PATIENCE) == 0, "the one node did not end well")
    return expected


def mesh_port(node):
    """The port its `up` listens on for members."""
    return int(re.search(r"node.start .*mesh_port=([0-9]+)", node.log()).group(1))


def frames_of_strangers(node):
    """(handshakes refused, frames dropped) as the node counts them."""
    text = node.http("/metrics")[1]
    return metric(text, "weft_handshakes_refused_total"), metric(text, "weft_frames_dropped_total")


def check_stranger(lab, owner, stranger, tool):
    """Nothing that a device without a certificate sends reaches a parser."""
    refused, dropped = frames_of_strangers(owner)
    address = f"{owner.host}:{mesh_port(owner)}"

    stranger.weft("init", "--dir", stranger.dir, "--name", stranger.name)
    stranger.up(*UP, "--memory", "64M", "--seed-peer", address)

    inviter = owner.spawn("invite", "--dir", owner.dir, "--interface", "eth0", "--yes", "--json",
                          "--listen", f"{owner.host}:0")
    invite = json.loads(inviter.stdout.readline())
    # Another mesh's code: well-formed, and not this inviter's.
    other = stranger.spawn("invite", "--dir", stranger.dir, "--json", "--listen",
                           f"{stranger.host}:0", "--interface", "eth0")
    wrong = json.loads(other.stdout.readline())["code"]
    other.send_signal(signal.SIGINT)
    late = Node(lab, "late", stranger.prefix[3], "eth0", stranger.host)
    joined = late.weft("join", wrong, "--dir", late.dir, "--at", f"{owner.host}:{invite['port']}",
                       check=False)
    expect(joined.returncode == 1, f"a wrong code: exit {joined.returncode}\n{joined.stderr}")
    inviter.send_signal(signal.SIGINT)
    inviter.wait(timeout=10 * PATIENCE)

    members = json.loads(owner.weft("members", "--dir", owner.dir, "--json").stdout)["members"]
    key = next(member["curve"] for member in members if member["self"])
    subprocess.run([*stranger.prefix, tool, address, key], check=True, timeout=30 * PATIENCE)

    wait_for("the refusal is counted", lambda: frames_of_strangers(owner)[0] > refused, 10)
    refused_now, dropped_now = frames_of_strangers(owner)
    expect(dropped_now == dropped, f"{dropped_now - dropped} frames of a stranger were parsed")
    expect(len(owner.mesh()["nodes"]) == 3, "the stranger is shown as a node of the mesh")
    print(f"stranger: {refused_now - refused:.0f} handshakes refused, no frame parsed")


def check_capture(path, boundary):
    with open(path, "rb") as file:
        wire = file.read()
    print(f"capture: {len(wire)} bytes")
    expect(len(wire) > 100_000, "the capture is too small to say anything")
    expect(b"_weft" in wire, "the capture has no mDNS of ours")
    expect(MARK in wire, "the capture does not even show the stranger's plain frame")
    for word in [CANARY, "canary heron", "7319"]:
        expect(word.encode() not in wire, f"the capture holds '{word}' of the prompt")
    rows = 0
    for last in range(1, 8):  # wherever a plan may have cut
        hidden = subprocess.run([boundary, MODEL, str(last), CANARY], capture_output=True,
                                check=True).stdout
        row_bytes = 256 * 4
        expect(len(hidden) >= 8 * row_bytes, "no activations to look for")
        for at in range(0, len(hidden), row_bytes):
            rows += 1
            expect(hidden[at:at + 32] not in wire, f"the capture holds a row after layer {last}")
    print(f"capture: none of {rows} rows of activations, nor the prompt, is in it")


def check_loss(nodes, expected):
    """A stage is killed while streams run: they go on, with the text of an undisturbed run."""
    head, victim = nodes[0], nodes[2]
    expect(victim.name in head.layers(), "the victim is not a stage")
    requests = [{"prompt": prompt, "max_tokens": 400, "temperature": 1.5, "seed": seed}
                for seed, prompt in enumerate(PROMPTS[:4])]
    undisturbed = [head.complete(**request) for request in requests]
    streams = [head.stream(request) for request in requests]
    wait_for("a stream runs", lambda: any(len(s.events) > 2 for s in streams), 20, every=0.002)
    victim.process.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    running = [s for s in streams if s.ended is None]
    before = [len(s.events) for s in running]
    victim.process.wait()
    expect(running, "all streams were over before the kill")
    wait_for("the streams go on", lambda: all(
        s.ended or len(s.events) > count + 2 for s, count in zip(running, before)), 15, every=0.01)
    print(f"loss: {len(running)} of {len(streams)} streams go on "
          f"{time.monotonic() - killed:.2f} s after the kill")
    for stream, text in zip(streams, undisturbed):
        stream.wait(120 * PATIENCE)
        expect(stream.done and not stream.error, f"a stream broke: {stream.error}")
        got = "".join(event["choices"][0]["text"] for event in stream.events if event["choices"])
        expect(got == text, f"the text changed:\n{got!r}\n{text!r}")
    rest = nodes[:2]
    wait_for("the two that are left are ready",
             lambda: head.ready() and victim.name not in head.layers(), 30)
    print(f"loss: the two serve as {head.layers()}")
    for node in rest:
        expect(texts(node) == expected, "the two answer otherwise than the three did")


def main():
    if os.geteuid() != 0:
        skip("network namespaces need root")
    for tool in ["ip", "tcpdump"]:
        if not shutil.which(tool):
            skip(f"no `{tool}`; scripts/setup.sh installs it")
    need_model()
    weft, boundary, stranger_tool = sys.argv[1:4]
    with Lab(weft) as lab:
        models = lab.model_dir()
        expected = alone(lab, models)
        middle, nodes = make_network(lab)
        capture, path = start_capture(lab, middle)
        mesh, stranger = nodes[:3], nodes[3]
        owner = mesh[0]
        owner.weft("init", "--dir", owner.dir, "--name", owner.name)
        for node in mesh[1:]:
            print(f"{node.name} joined with {lab.join(owner, node)}")
        for node in mesh:
            node.up(*UP, "--memory", "24M", *(["--model-dir", models] if node is owner else []))
        for node in mesh:
            wait_for(f"{node.name} is ready", node.ready, 60)
        layers = owner.layers()
        print(f"layers: {layers}")
        expect(len(set(layers.values())) == 3, f"not three different runs of layers: {layers}")
        for node in mesh:
            wait_for(f"{node.name} sees the same plan", lambda: node.layers() == owner.layers())
            expect(texts(node) == expected, f"{node.name}: not the text of one node")
        print(f"text: {len(expected)} answers, the same bytes as one node's, from each of three")
        check_stranger(lab, owner, stranger, stranger_tool)
        for node in mesh:
            node.complete(CANARY, max_tokens=24)
        expect(texts(owner) == expected, "after the stranger the text is another")
        expect(len(owner.layers()) == 3, "three nodes no longer share the layers")
        capture.send_signal(signal.SIGINT)
        capture.wait(timeout=10 * PATIENCE)
        check_capture(path, boundary)
        check_loss(mesh, expected)


if __name__ == "__main__":
    main()
