"""Meshes of real nodes to measure, and a client that notes when each token came."""
import json
import operator
import os
import selectors
import signal
import socket
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
import lab  # noqa: E402

RELAY = os.path.join(os.path.dirname(HERE), "support", "relay.py")


def free_ports(count):
    """Ports that nothing has now; nobody else on this machine asks for them meanwhile."""
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def stolen_seconds():
    """What this machine's host took from each processor so far (0 where there is no host)."""
    with open("/proc/stat") as file:
        lines = [line.split() for line in file if line.startswith("cpu") and line[3].isdigit()]
    return [int(fields[8]) / os.sysconf("SC_CLK_TCK") for fields in lines]


class BenchNode(lab.Node):
    def start(self, *arguments):
        self.process = self.spawn("up", "--dir", self.dir, "--no-mdns", "--http", "127.0.0.1:0",
                                  *arguments, log=self.log_path)
        lab.wait_for(f"{self.name} is up", lambda: self.address() or self.died(), 60)

    def cpu_seconds(self):
        """Processor time of all its threads so far."""
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class BenchMesh:
    """`count` nodes that each have the model and must share it. With a relay, every byte between
    two nodes passes one: a node listens on an address of its own and its relay on 127.0.0.1 with
    the same port, which is what its peers are told and what they see."""

    def __init__(self, the_lab, weft_options, model_dir, count, trace, relay=None):
        self.names = [f"{'t' if trace else 'm'}{count}n{i}" for i in range(count)]
        self.nodes = [BenchNode(the_lab, name) for name in self.names]
        self.traces = []
        owner = self.nodes[0]
        owner.weft("init", "--dir", owner.dir, "--name", owner.name)
        for node in self.nodes[1:]:
            self.join(owner, node)
        ports = free_ports(count)
        for i, node in enumerate(self.nodes):
            host = f"127.0.1.{i + 1}" if relay else "127.0.0.1"
            if relay:
                self.start_relay(the_lab, f"127.0.0.1:{ports[i]}", f"{host}:{ports[i]}", relay)
            options = ["--mesh", f"{host}:{ports[i]}", "--model-dir", model_dir, "--min-nodes",
                       str(count), *weft_options]
            for j, port in enumerate(ports):
                if j != i:
                    options += ["--seed-peer", f"127.0.0.1:{port}"]
            if trace:
                self.traces.append(os.path.join(the_lab.dir, node.name + ".trace.json"))
                options += ["--trace", self.traces[-1]]
            node.start(*options)

    @staticmethod
    def join(owner, newcomer):
        inviter = owner.spawn("invite", "--dir", owner.dir, "--interface", "lo", "--yes", "--json",
                              "--listen", "127.0.0.1:0")
        event = json.loads(inviter.stdout.readline())
        newcomer.weft("join", event["code"], "--dir", newcomer.dir, "--name", newcomer.name, "--at",
                      f"127.0.0.1:{event['port']}")
        if inviter.wait(timeout=30) != 0:
            raise AssertionError(f"invite failed: {inviter.stderr.read()}")

    @staticmethod
    def start_relay(the_lab, listen, target, relay):
        import subprocess
        process = subprocess.Popen([sys.executable, RELAY, listen, target, "--delay-ms",
                                    str(relay[0]), "--rate-mbit", str(relay[1])],
                                   stdout=subprocess.PIPE, text=True)
        the_lab.processes.append(process)
        process.stdout.readline()

    def wait_ready(self, seconds=120):
        for node in self.nodes:
            lab.wait_for(f"{node.name} is ready", lambda n=node: n.ready() or n.died(), seconds)
        stages = self.head().mesh()["plan"]["stages"]
        if len(stages) != len(self.nodes):
            raise AssertionError(f"{len(self.nodes)} nodes, but the plan has {len(stages)} stages")

    def stop(self):
        for node in self.nodes:
            node.process.send_signal(signal.SIGINT)
        for node in self.nodes:
            node.process.wait(timeout=30)

    def head(self):
        """The node of the first stage: requests start where their first rows are computed."""
        for node in self.nodes:
            mesh = node.mesh()
            if mesh.get("plan"):
                first = mesh["plan"]["stages"][0]["name"]
                return next(n for n in self.nodes if n.name == first)
        return self.nodes[0]


class Stream:
    """One streamed completion over a socket of its own; `times` has each token's arrival, `stolen`
    what the host had taken of each processor by then."""

    def __init__(self, address, model, prompt, max_tokens):
        self.times, self.stolen, self.usage, self.error, self.done = [], [], None, None, False
        self._rest = b""
        body = json.dumps({"model": model, "prompt": prompt, "max_tokens": max_tokens,
                           "temperature": 0, "stream": True,
                           "stream_options": {"include_usage": True}}).encode()
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)))
        self.began = time.monotonic()
        self.socket.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: " + address.encode() +
                            b"\r\nContent-Type: application/json\r\nContent-Length: " +
                            str(len(body)).encode() + b"\r\nConnection: close\r\n\r\n" + body)

    def read(self):
        now = time.monotonic()
        data = self.socket.recv(1 << 16)
        if not data:
            self.done = True
            self.socket.close()
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if not line.startswith(b"data: {"):
                continue
            if b'"finish_reason":null' in line:
                self.times.append(now)
                self.stolen.append(stolen_seconds())
            elif b'"usage":{' in line:
                self.usage = json.loads(line[6:])["usage"]
            elif b'"error":' in line:
                self.error = line.decode()

    def gaps(self, own=False):
        """Seconds between tokens. `own`: less what the host took meanwhile of the processor that it
        took most of, for which the other then waits."""
        taken = [max(map(operator.sub, b, a)) if own else 0
                 for a, b in zip(self.stolen, self.stolen[1:])]
        return [max(0, b - a - t) for a, b, t in zip(self.times, self.times[1:], taken)]


def read_streams(streams, until=lambda: False, seconds=300):
    """Reads the streams until all have ended or until() is true."""
    selector = selectors.DefaultSelector()
    open_streams = [s for s in streams if not s.done]
    for stream in open_streams:
        selector.register(stream.socket, selectors.EVENT_READ, stream)
    deadline = time.monotonic() + seconds
    while open_streams and not until():
        for key, _ in selector.select(1):
            stream = key.data
            stream.read()
            if stream.done:
                selector.unregister(key.fileobj)
                open_streams.remove(stream)
        if time.monotonic() > deadline:
            raise AssertionError(f"{len(open_streams)} streams did not end in {seconds} s")
    selector.close()
    for stream in streams:
        if stream.error:
            raise AssertionError(stream.error)
