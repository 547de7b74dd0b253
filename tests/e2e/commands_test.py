"""commands_test.py WEFT: what the commands do with bad input, and that Ctrl-C leaves nothing."""
import json
import os
import re
import signal
import socket
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


def main():
    need_model()
    with Lab(sys.argv[1]) as lab:
        for check in [check_interrupt, check_flags, check_codes, check_key_mode, check_models,
                      check_quantize, check_grammar, check_cache_type]:
            print(f"== {check.__name__}")
            check(lab)


if __name__ == "__main__":
    main()
