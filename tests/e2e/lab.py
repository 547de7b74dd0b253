"""Meshes for end-to-end tests: nodes as real processes, on loopback or in network namespaces.

A Lab ends every process it started, by id, and removes its namespaces and folders, whatever
happens.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODEL = os.path.join(ROOT, "assets", "weft-tiny.gguf")
SKIP = 77


def skip(why):
    """Ends the test as skipped, with a clear word."""
    print(f"skipped: {why}")
    sys.exit(SKIP)


def need_model():
    if not os.path.exists(MODEL):
        skip(f"no {os.path.relpath(MODEL, ROOT)}; scripts/train_tiny.py makes it")


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


# Sanitizers make a node's start many times slower.
PATIENCE = int(os.environ.get("WEFT_PATIENCE", "1"))


def wait_for(what, check, seconds=30.0, every=0.1):
    """The first true result of check(), or an error that names what did not happen."""
    seconds *= PATIENCE
    end = time.monotonic() + seconds
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"did not happen within {seconds} s: {what}")
        time.sleep(every)


class Node:
    """One device: a data folder, and `weft up` when it runs."""

    def __init__(self, lab, name, namespace=None, interface="lo", host="127.0.0.1"):
        self.lab, self.name = lab, name
        self.prefix = ["ip", "netns", "exec", namespace] if namespace else []
        self.interface, self.host = interface, host
        self.dir = os.path.join(lab.dir, name)
        self.log_path = os.path.join(lab.dir, name + ".log")
        self.process = None

    def weft(self, *arguments, timeout=60, check=True, stdin=None):
        """Runs one command of this device to its end."""
        done = subprocess.run([*self.prefix, self.lab.weft, *arguments], capture_output=True,
                              text=True, timeout=timeout * PATIENCE, input=stdin)
        if check and done.returncode != 0:
            raise AssertionError(f"{self.name}: weft {' '.join(arguments)}: exit "
                                 f"{done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def spawn(self, *arguments, log=None):
        out = open(log, "wb") if log else subprocess.PIPE
        process = subprocess.Popen([*self.prefix, self.lab.weft, *arguments], stdout=out,
                                   stderr=subprocess.STDOUT if log else subprocess.PIPE,
                                   stdin=subprocess.DEVNULL)
        self.lab.processes.append(process)
        return process

    def up(self, *arguments):
        self.process = self.spawn("up", "--dir", self.dir, "--interface", self.interface, "--mesh",
                                  f"{self.host}:0", "--http", "127.0.0.1:0", "--threads", "1",
                                  *arguments, log=self.log_path)
        wait_for(f"{self.name} is up", lambda: self.address() or self.died(), 30)

    def died(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended: {self.log()}")

    def address(self):
        path = os.path.join(self.dir, "http.addr")
        if not os.path.exists(path):
            return None
        with open(path) as file:
            return file.read().strip() or None

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def http(self, path, body=None, timeout=60):
        """(status, text) of a request to this node's API, made from within its namespace."""
        if self.prefix:
            arguments = [sys.executable, os.path.abspath(__file__), "http", self.address(), path,
                         str(timeout)]
            done = subprocess.run([*self.prefix, *arguments], capture_output=True, text=True,
                                  input="" if body is None else json.dumps(body),
                                  timeout=timeout + 10)
            status, _, text = done.stdout.partition("\n")
            if done.returncode != 0:
                raise AssertionError(done.stderr)
            return int(status), text
        return http(self.address(), path, body, timeout)

    def stream(self, body, path="/v1/completions"):
        """Starts a streamed request and gives it as a Stream."""
        return Stream(self, path, {"model": "weft-tiny", "stream": True, **body})

    def mesh(self):
        return json.loads(self.http("/api/mesh")[1])

    def ready(self):
        try:
            return self.http("/health")[0] == 200
        except (OSError, AssertionError):
            return False

    def complete(self, prompt, max_tokens=40, chat=False, timeout=120, **more):
        """The text of a greedy completion, or an error with the server's words."""
        body = {"model": "weft-tiny", "max_tokens": max_tokens, "temperature": 0, **more}
        if chat:
            body.setdefault("messages", [{"role": "user", "content": prompt}])
        else:
            body["prompt"] = prompt
        path = "/v1/chat/completions" if chat else "/v1/completions"
        status, text = self.http(path, body, timeout)
        if status != 200:
            raise AssertionError(f"{status}: {text}")
        choice = json.loads(text)["choices"][0]
        return choice["message"]["content"] if chat else choice["text"]

    def layers(self):
        """{node name: (first, last)} of the plan this node sees."""
        plan = self.mesh().get("plan") or {"stages": []}
        return {s["name"]: (s["first_layer"], s["last_layer"]) for s in plan["stages"]}


class Stream:
    """A streamed answer, read by a process in the node's namespace; a thread notes each event."""

    def __init__(self, node, path, body):
        self.events, self.done, self.error, self.ended = [], False, None, None
        self.process = subprocess.Popen(
            [*node.prefix, sys.executable, os.path.abspath(__file__), "stream", node.address(),
             path, json.dumps(body)], stdout=subprocess.PIPE, text=True)
        node.lab.processes.append(self.process)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            if not line.startswith("data:"):
                continue
            data = line[5:].strip()
            if data == "[DONE]":
                self.done = True
                continue
            event = json.loads(data)
            self.events.append(event)
            if "error" in event:
                self.error = event["error"]
        self.ended = time.monotonic()

    def wait(self, seconds):
        self.thread.join(seconds)
        if self.ended is None:
            raise AssertionError(f"the stream did not end within {seconds} s")


class Lab:
    def __init__(self, weft):
        self.weft = os.path.abspath(weft)
        self.dir = tempfile.mkdtemp(prefix="weft-e2e-")
        self.processes, self.namespaces = [], []

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGINT)
        for process in self.processes:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if kind is not None:
            for name in sorted(os.listdir(self.dir)):
                if name.endswith(".log"):
                    with open(os.path.join(self.dir, name), errors="replace") as file:
                        print(f"--- {name}\n{file.read()[-4000:]}", file=sys.stderr)
        for namespace in self.namespaces:
            subprocess.run(["ip", "netns", "delete", namespace], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def namespace(self, name):
        full = f"weft-{os.getpid()}-{name}"
        subprocess.run(["ip", "netns", "add", full], check=True)
        self.namespaces.append(full)
        subprocess.run(["ip", "-n", full, "link", "set", "lo", "up"], check=True)
        return full

    def model_dir(self):
        """A folder of the lab's own that holds the model's file."""
        folder = os.path.join(self.dir, "models")
        os.makedirs(folder, exist_ok=True)
        shutil.copy(MODEL, folder)
        return folder

    def loopback_mesh(self, *options, names=("one", "two", "three")):
        """Nodes of one mesh on loopback, ready; only the first has the model's file."""
        nodes = [Node(self, name) for name in names]
        nodes[0].weft("init", "--dir", nodes[0].dir, "--name", names[0])
        for node in nodes[1:]:
            self.join(nodes[0], node)
        for node in nodes:
            models = ["--model-dir", self.model_dir()] if node is nodes[0] else []
            node.up(*options, *models)
        for node in nodes:
            wait_for(f"{node.name} is ready", node.ready, 60)
        return nodes

    def join(self, owner, newcomer, *extra):
        """A real invite and a real join by its code, found by mDNS; returns the code."""
        inviter = owner.spawn("invite", "--dir", owner.dir, "--interface", owner.interface, "--yes",
                              "--json", "--listen", f"{owner.host}:0")
        line = inviter.stdout.readline()
        code = json.loads(line)["code"]
        newcomer.weft("join", code, "--dir", newcomer.dir, "--name", newcomer.name, "--interface",
                      newcomer.interface, *extra)
        if inviter.wait(timeout=30) != 0:
            raise AssertionError(f"invite failed: {inviter.stderr.read()}")
        return code


def http(address, path, body=None, timeout=60):
    """(status, text); any status is an answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{address}{path}", data,
                                     {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def metric(text, name):
    """The value of an unlabelled metric in Prometheus' text form."""
    found = re.search(rf"^{name} ([0-9.e+-]+)$", text, re.MULTILINE)
    if not found:
        raise AssertionError(f"no metric {name}")
    return float(found.group(1))


def stream_lines(address, path, body):
    """Prints a streamed answer's lines as they come; an HTTP error as one event."""
    request = urllib.request.Request(f"http://{address}{path}", body.encode(),
                                     {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=120) as answer:
            for line in answer:
                print(line.decode().rstrip(), flush=True)
    except urllib.error.HTTPError as error:
        print("data: " + error.read().decode().replace("\n", " "), flush=True)


if __name__ == "__main__" and sys.argv[1:2] == ["stream"]:
    stream_lines(*sys.argv[2:5])
if __name__ == "__main__" and sys.argv[1:2] == ["http"]:
    given = sys.stdin.read()
    code, answer = http(sys.argv[2], sys.argv[3], json.loads(given) if given else None,
                        float(sys.argv[4]))
    print(code)
    sys.stdout.write(answer)
