"""commands_test.py WEFT: what the commands do with bad input, and that Ctrl-C leaves nothing."""
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys

from lab import PATIENCE, Lab, Node, expect, need_model, wait_for


def refused(node, *arguments, exits=(1,), says=(), timeout=20):
    """The command must end with one of these statuses and words on stderr, and never a crash."""
    done = node.weft(*arguments, check=False, timeout=timeout)
    shown = f"weft {' '.join(arguments)}: exit {done.returncode}: {done.stderr.strip()}"
    print(shown)
    expect(done.returncode in exits, shown)
    expect(done.stderr.strip(), f"no word why: {shown}")
    for word in says:
        expect(word in done.stderr, f"no '{word}' in: {shown}")
    return done


def new_mesh(lab, name):
    node = Node(lab, name)
    node.weft("init", "--dir", node.dir, "--name", name)
    return node


def up_arguments(node, http="127.0.0.1:0", mesh="127.0.0.1:0"):
    return ["up", "--dir", node.dir, "--interface", "lo", "--http", http, "--mesh", mesh,
            "--threads", "1"]


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def check_interrupt(lab):
    """A second daemon is refused; then Ctrl-C ends the first with 0 and leaves nothing behind."""
    node = new_mesh(lab, "interrupted")
    node.up()
    refused(node, *up_arguments(node), says=[node.dir])
    http_port = int(node.address().rsplit(":", 1)[1])
    mesh_port = int(re.search(r"mesh_port=([0-9]+)", node.log()).group(1))
    expect(not port_is_free(http_port), "the HTTP port is not held while the node is up")
    node.process.send_signal(signal.SIGINT)
    expect(node.process.wait(timeout=10 * PATIENCE) == 0, f"Ctrl-C: exit {node.process.returncode}")
    expect(not os.path.exists(os.path.join(node.dir, "http.addr")), "http.addr was left behind")
    expect(port_is_free(http_port) and port_is_free(mesh_port), "a port is still held")
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    expect(node.dir not in left, "a process was left behind")
    node.up()
    node.process.send_signal(signal.SIGINT)
    ended = node.process.wait(timeout=10 * PATIENCE)
    expect(ended == 0, "a second start and end in the same folder")


def check_flags(lab):
    node = new_mesh(lab, "flags")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        refused(node, *up_arguments(node, http=address), says=["--http", "in use"])
        refused(node, *up_arguments(node, mesh=address), says=["--mesh", "in use"])
    refused(node, *up_arguments(node, http="127.0.0.1:70000"), exits=(2,), says=["--http", "70000"])
    refused(node, *up_arguments(node, mesh="127.0.0.1:70000"), exits=(2,), says=["--mesh", "70000"])
    refused(node, "up", "--no-such-flag", exits=(2,), says=["--no-such-flag"])
    missing = os.path.join(lab.dir, "missing.gguf")
    refused(node, "run", missing, "-p", "hello", says=["missing.gguf"])


def check_codes(lab):
    owner, first, second = new_mesh(lab, "owner"), Node(lab, "first"), Node(lab, "second")
    typo = Node(lab, "typo")
    code = lab.join(owner, first)
    flipped = ("1" if code[0] != "1" else "2") + code[1:]
    refused(typo, "join", flipped, "--dir", typo.dir, "--interface", "lo", timeout=5)
    # The invite is over, so the code's second use is asked of the next invite's socket.
    inviter = owner.spawn("invite", "--dir", owner.dir, "--interface", "lo", "--yes", "--json",
                          "--listen", "127.0.0.1:0")
    port = json.loads(inviter.stdout.readline())["port"]
    refused(second, "join", code, "--dir", second.dir, "--at", f"127.0.0.1:{port}")
    inviter.send_signal(signal.SIGINT)
    inviter.wait(timeout=10 * PATIENCE)
    members = json.loads(owner.weft("members", "--dir", owner.dir, "--json").stdout)["members"]
    expect(len(members) == 2, f"{len(members)} members after a code was used twice")


def check_key_mode(lab):
    node = new_mesh(lab, "open-key")
    keys = [os.path.join(folder, name) for folder, _, names in os.walk(node.dir) for name in names
            if "key" in name or "identity" in name]
    expect(keys, f"no key file in {os.listdir(node.dir)}")
    for key in keys:
        os.chmod(key, 0o644)
    refused(node, *up_arguments(node), says=["chmod"])


def check_models(lab):
    """A truncated file is skipped with a word; one that fits nowhere is a 503 that says why."""
    node = new_mesh(lab, "small")
    folder = lab.model_dir()
    whole = os.path.join(folder, "weft-tiny.gguf")
    with open(whole, "rb") as source, open(os.path.join(folder, "half.gguf"), "wb") as half:
        half.write(source.read(os.path.getsize(whole) // 2))
    refused(node, "run", os.path.join(folder, "half.gguf"), "-p", "hello", says=["half.gguf"])
    node.up("--memory", "4M", "--model-dir", folder)
    wait_for("the truncated file is named", lambda: "half.gguf" in node.log(), 20)
    wait_for("the problem is shown", lambda: node.mesh()["problem"], 30)
    problem = wait_for("the model is taken in", lambda: next(
        (p for p in [node.mesh()["problem"] or ""] if "MiB" in p), None), 30)
    print(f"problem: {problem}")
    status, text = node.http("/v1/completions", {"model": "weft-tiny", "prompt": "hello",
                                                 "max_tokens": 4})
    print(f"{status}: {text}")
    expect(status == 503, f"a model that fits nowhere: {status} {text}")
    expect("MiB" in json.loads(text)["error"]["message"], f"not what is missing: {text}")
    shown = node.weft("status", "--dir", node.dir).stdout
    expect("problem: " + problem[:60] in shown, f"status hides the problem:\n{shown}")
    names = [m["id"] for m in json.loads(node.http("/v1/models")[1])["data"]]
    expect("half" not in names, "the truncated model is offered")


def check_quantize(lab):
    """A quantized model answers; wrong types are refused; Ctrl-C leaves no part of a file."""
    node = Node(lab, "quantizer")
    model = os.path.join(lab.model_dir(), "weft-tiny.gguf")
    out = os.path.join(lab.dir, "quantized.gguf")
    told = json.loads(node.weft("quantize", model, out, "--type", "q4_k_m", "--json").stdout)
    expect(told["output_bytes"] == os.path.getsize(out), f"{told}")
    expect(told["relative_error"] < 0.07, f"{told}")
    answer = json.loads(node.weft("run", out, "-p", "What is 27 + 58?", "--temp", "0",
                                  "--json").stdout)["text"]
    expect("85" in answer, f"the quantized model says {answer!r}")
    refused(node, "quantize", model, out, "--type", "q4_k_m", says=["--force"])
    refused(node, "quantize", model, model, "--type", "q4_k_m", "--force",
            says=["the file to read"])
    refused(node, "quantize", model, out, "--type", "q9_z", exits=(2,), says=["Q4_K_M"])
    refused(node, "quantize", out, out + "2", "--type", "q8_0", says=["already", "F16"])
    big, part = os.path.join(lab.dir, "big.gguf"), os.path.join(lab.dir, "big-q.gguf.part")
    node.weft("synth", big, "--shape", "small", "--layers", "16", "--quant", "f16")
    running = node.spawn("quantize", big, part.removesuffix(".part"), "--type", "q4_k_m",
                         "--threads", "1")
    wait_for("the partial file", lambda: os.path.exists(part), 20)
    running.send_signal(signal.SIGINT)
    ended = running.wait(timeout=10 * PATIENCE)
    expect(ended == 130, f"Ctrl-C: exit {ended}")
    expect(not [name for name in os.listdir(lab.dir) if "big-q" in name], "a part was left behind")


def check_grammar(lab):
    """An answer follows a grammar or a schema, alone; a wrong one is refused with its place."""
    node = new_mesh(lab, "grammar")
    folder = lab.model_dir()
    model = os.path.join(folder, "weft-tiny.gguf")
    grammar, schema = os.path.join(folder, "g.gbnf"), os.path.join(folder, "s.json")
    with open(grammar, "w", encoding="utf-8") as file:
        file.write('root ::= "yes" | "no"\n')
    with open(schema, "w", encoding="utf-8") as file:
        json.dump({"type": "object", "properties": {"a": {"type": "integer", "maximum": 9}},
                   "required": ["a"]}, file)
    asked = ("run", model, "-p", "What is 27 + 58?", "--temp", "0", "--json")
    answer = json.loads(node.weft(*asked, "--grammar", grammar).stdout)
    expect(answer["text"] in ("yes", "no"), f"the grammar gave {answer['text']}")
    answer = json.loads(node.weft(*asked, "--json-schema", schema).stdout)
    expect(json.loads(answer["text"])["a"] <= 9, f"the schema gave {answer['text']}")
    refused(node, *asked, "--json-schema", grammar, says=["g.gbnf"])
    refused(node, *asked, "--grammar", schema, says=["line 1, column 1"])


def check_cache_type(lab):
    """A mesh with an 8-bit KV cache answers as one process with such a cache does."""
    nodes = lab.loopback_mesh("--kv", "q8_0", "--min-nodes", "2", names=("left", "right"))
    plan = nodes[1].mesh()["plan"]
    expect(plan["kv_type"] == "q8_0", f"the plan's cache is {plan['kv_type']}")
    expect(len(plan["stages"]) == 2, "the model is not spread over two nodes")
    prompt = "Question: What is 27 + 58?\nAnswer:"
    model = os.path.join(lab.model_dir(), "weft-tiny.gguf")
    alone = nodes[0].weft("run", model, "--raw", "-p", prompt, "--temp", "0", "-n", "24", "--kv",
                          "q8_0", "--json").stdout
    text = nodes[1].complete(prompt, max_tokens=24)
    expect(text == json.loads(alone)["text"], f"{text!r} differs from {alone}")
    refused(nodes[0], *up_arguments(nodes[0]), "--kv", "q5_0", exits=(2,), says=["q8_0"])
    refused(nodes[0], "run", model, "-p", "hello", "--kv", "q5_0", says=["q8_0"])


def write_adapter(path, tensors, rank=4, alpha=8.0, architecture="llama"):
    """A LoRA as GGUF; tensors are {name: (rows, columns)}, their values small and uneven."""
    def text(value):
        return struct.pack("<Q", len(value)) + value.encode()
    facts = {"general.type": "adapter", "general.architecture": architecture,
             "adapter.type": "lora"}
    out = b"GGUF" + struct.pack("<IQQ", 3, 2 * len(tensors), len(facts) + 1)
    for key, value in facts.items():
        out += text(key) + struct.pack("<I", 8) + text(value)
    out += text("adapter.lora.alpha") + struct.pack("<If", 6, alpha)
    data = b""
    for name, (rows, cols) in tensors.items():
        for half, dims in (("a", (cols, rank)), ("b", (rank, rows))):
            out += text(f"{name}.lora_{half}") + struct.pack("<IQQIQ", 2, *dims, 0, len(data))
            count = dims[0] * dims[1]
            values = [((i * 7919 + len(data)) % 1009 - 504) / 5040 for i in range(count)]
            data += struct.pack(f"<{count}f", *values)
            data += bytes(-len(data) % 32)
    with open(path, "wb") as file:
        file.write(out + bytes(-len(out) % 32) + data)


def check_adapters(lab):
    """A LoRA changes logits, the same however the model is cut and over a mesh; scale 0 does not.
    Nodes say what they apply, and which of them apply something else; what does not fit is refused
    where the model is given."""
    node = Node(lab, "adapter")
    model = os.path.join(lab.model_dir(), "weft-tiny.gguf")
    adapter, other = os.path.join(lab.dir, "style.gguf"), os.path.join(lab.dir, "other.gguf")
    write_adapter(adapter, {f"blk.{i}.{name}.weight": shape for i in range(8) for name, shape in
                            (("attn_q", (256, 256)), ("attn_v", (128, 256)))})
    write_adapter(other, {"blk.0.attn_q.weight": (64, 256)})

    def logits(*options):
        out = os.path.join(lab.dir, "logits")
        node.weft("logits", model, "--tokens", "5,17,3,200,44", "--out", out, *options)
        with open(out, "rb") as file:
            return file.read()
    plain, adapted = logits(), logits("--lora", adapter)
    expect(adapted != plain, "the adapter changes nothing")
    expect(logits("--lora", adapter + ":0") == plain, "scale 0 changes something")
    expect(logits("--lora", adapter, "--split", "3", "--chunk", "2") == adapted, "the cut is seen")
    refused(node, "run", model, "-p", "hello", "--lora", other, says=["attn_q", "[64, 4]"])
    refused(node, "run", model, "-p", "hello", "--lora", model, says=["it is no adapter"])
    refused(node, "run", model, "--mesh", "-p", "hello", "--lora", adapter, says=["weft up"])
    refused(node, "bench", model, "--lora", adapter + ":inf", exits=(2,), says=["finite"])

    nodes = lab.loopback_mesh("--lora", other, "--lora", adapter, "--min-nodes", "2",
                              names=("here", "there"))
    expect(len(nodes[0].mesh()["plan"]["stages"]) == 2, "the model is not spread over two nodes")
    for each in nodes:
        told = json.loads(each.weft("status", "--dir", each.dir, "--json").stdout)["lora"]
        shown = [(one["file"], one["applied"]) for one in told]
        expect(shown == [("other.gguf", False), ("style.gguf", True)], f"{told}")
        expect("lora.applied file=style.gguf" in each.log(), each.log())
    prompt = "Question: What is 27 + 58?\nAnswer:"
    asked = ("run", model, "--raw", "-p", prompt, "--temp", "0", "-n", "24", "--json")
    alone = json.loads(node.weft(*asked, "--lora", adapter).stdout)["text"]
    text = nodes[1].complete(prompt, max_tokens=24)
    expect(text == alone, f"{text!r} differs from {alone!r}")

    expect(nodes[0].mesh()["warning"] is None, f"{nodes[0].mesh()['warning']}")
    for each in nodes:
        each.process.terminate()
        each.process.wait(timeout=30)
    nodes[0].up("--lora", adapter, "--min-nodes", "2", "--model-dir", lab.model_dir())
    nodes[1].up("--min-nodes", "2")
    for each in nodes:
        wait_for(f"{each.name} is warned", lambda: "lora.differs" in each.log(), 60)
        status = each.weft("status", "--dir", each.dir).stdout
        expect("warning: other LoRA adapters than on " in status, status)


def main():
    need_model()
    with Lab(sys.argv[1]) as lab:
        for check in [check_interrupt, check_flags, check_codes, check_key_mode, check_models,
                      check_quantize, check_grammar, check_cache_type, check_adapters]:
            print(f"== {check.__name__}")
            check(lab)


if __name__ == "__main__":
    main()
