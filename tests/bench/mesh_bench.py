"""mesh_bench.py --weft BUILD/weft --model FILE.gguf: what a mesh costs and gives, on this machine.

Starts one node, and meshes of two and three that must share the model, and measures in turns, so
that a change in the machine's speed meets all alike:
  single  tokens/s of one stream, time to the first token, times between tokens
  eight   tokens/s of eight streams at once
  prompt  four streams run, a prompt of --prompt-tokens comes: the streams' gaps before and during;
          "own" gaps are less what the machine's host took of the processors meanwhile
  overlap the same prompt alone, through two nodes: how much of its prefill overlaps (by trace)
  hop     from the end of a stage's computation to the begin of the next one's (by trace), beside
          what one message of the same bytes costs with libzmq alone (--hop-bench BUILD/hop_bench)
With --relay-ms and --relay-mbit every link passes a relay that slow. With --llama-bench and
--rpc-server, llama.cpp's RPC with one worker is measured on the same file in the same run; with
--dllama, distributed-llama, alone and with one worker. It needs its own file formats:
--dllama-model, a .m file with Q40 weights, and --dllama-tokenizer, a .t file of its vocabulary.
"""
import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from bench_nodes import BenchMesh, Stream, free_ports, lab, read_streams  # noqa: E402
import plot  # noqa: E402
import step_trace  # noqa: E402

BEFORE_TOKENS = 96  # of each stream before the prompt comes: seconds, as a machine's speed changes
SCENES = ("single", "eight", "prompt", "overlap", "hop")
MEMORY_BESIDE = 24 << 20  # activations of the largest batch, and what a rounded share lacks
TRACE_SETTLES_S = 0.6  # a trace is written five times a second
DLLAMA_SECONDS = 600  # that one run of distributed-llama may take


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Bench:
    def __init__(self, options, the_lab):
        self.options, self.lab = options, the_lab
        self.random = random.Random(options.seed)
        self.model = os.path.splitext(os.path.basename(options.model))[0]
        folder = os.path.join(the_lab.dir, "models")
        os.makedirs(folder)
        self.folder, here = folder, os.path.join(folder, os.path.basename(options.model))
        if options.synth:
            subprocess.run([options.weft, "synth", here, "--shape", options.synth], check=True,
                           capture_output=True)
        else:
            os.symlink(os.path.abspath(options.model), here)
        self.memory = {count: options.memory or str(self.even_share(here, count))
                       for count in options.nodes}
        self.meshes, self.traced = {}, False
        self.start_meshes(bool(options.keep_traces))
        self.tokens_per_word = self.measure_words()

    def start_meshes(self, trace):
        """In place of those that run. Tracing takes some of the speed that it shows."""
        options = self.options
        relay = ((options.relay_ms, options.relay_mbit)
                 if options.relay_ms or options.relay_mbit else None)
        weft_options = ["--threads", str(options.threads), "--kv-tokens", str(options.kv_tokens)]
        if options.step_rows:
            weft_options += ["--step-rows", str(options.step_rows)]
        for mesh in self.meshes.values():
            mesh.stop()
        for count in options.nodes:
            mesh = BenchMesh(self.lab, weft_options + ["--memory", self.memory[count]], self.folder,
                             count, trace, relay)
            mesh.wait_ready()
            self.meshes[count] = mesh
            print(f"{count} node(s) ready{', traced' if trace else ''}", file=sys.stderr)
        self.traced = trace

    def even_share(self, path, count):
        """Memory with which no node can hold much more than its even share of the layers."""
        out = subprocess.run([self.options.weft, "info", "--json", path], check=True,
                             capture_output=True, text=True)
        info = json.loads(out.stdout)
        layers, layer_bytes = info["layer_count"], info["layer_bytes_max"]
        share = -(-layers // count)
        ends = info["tensor_bytes"] - int(0.95 * layers * layer_bytes)  # embedding and head
        kv_bytes = info["kv_bytes_per_token"]["f16"] * self.options.kv_tokens * share // layers
        return int(1.05 * (share * layer_bytes + ends + kv_bytes)) + MEMORY_BESIDE

    def prompt(self, tokens):
        """Words of a synthetic vocabulary, or of any other; about so many tokens."""
        count = max(1, round((tokens - 1) / self.tokens_per_word))
        return "".join(f" w{self.random.randrange(1000, 90000)}" for _ in range(count))

    def measure_words(self):
        self.tokens_per_word = 1
        stream = self.stream(min(self.meshes), self.prompt(33), 1)
        read_streams([stream])
        return max(0.05, (stream.usage["prompt_tokens"] - 1) / 32)

    def stream(self, count, prompt, max_tokens):
        return Stream(self.meshes[count].head().address(), self.model, prompt, max_tokens)

    # --- scenes: each gives one run's figures of one mesh

    def single(self, count):
        stream = self.stream(count, self.prompt(16), self.options.tokens)
        read_streams([stream])
        gaps = stream.gaps()
        return {"decode_tps": len(gaps) / (stream.times[-1] - stream.times[0]),
                "first_token_ms": (stream.times[0] - stream.began) * 1000,
                "gap_p50_ms": quantile(gaps, 0.5) * 1000, "gap_p99_ms": quantile(gaps, 0.99) * 1000}

    def eight(self, count):
        streams = [self.stream(count, self.prompt(16), self.options.tokens) for _ in range(8)]
        read_streams(streams)
        begin = max(s.times[0] for s in streams)
        end = min(s.times[-1] for s in streams)
        if begin >= end:
            raise AssertionError("a stream ended before all eight had begun: give more --tokens")
        tokens = sum(1 for s in streams for t in s.times if begin < t <= end)
        gaps = [g for s in streams for g in s.gaps()]
        return {"tps": tokens / (end - begin), "gap_p50_ms": quantile(gaps, 0.5) * 1000,
                "gap_p99_ms": quantile(gaps, 0.99) * 1000}

    def prompt_beside_streams(self, count):
        runners = [self.stream(count, self.prompt(16), 5000) for _ in range(4)]
        read_streams(runners, until=lambda: all(len(s.times) >= BEFORE_TOKENS for s in runners))
        came = time.monotonic()
        long_one = self.stream(count, self.prompt(self.options.prompt_tokens), 1)
        read_streams([*runners, long_one], until=lambda: bool(long_one.times))
        ratios, own_ratios, before, during = [], [], [], []
        for runner in runners:
            first_later = sum(1 for t in runner.times[1:] if t <= came)
            earlier, later = runner.gaps()[:first_later], runner.gaps()[first_later:]
            if not earlier or not later:
                raise AssertionError("a stream ended before the prompt was computed: the model is "
                                     "too small or too fast for this scene; leave it out")
            ratios.append(max(later) / statistics.median(earlier))
            own_ratios.append(max(runner.gaps(own=True)[first_later:]) / statistics.median(earlier))
            before += earlier
            during += later
        for stream in [*runners, long_one]:
            stream.socket.close()
        return {"worst_gap_ratio": max(ratios), "worst_own_gap_ratio": max(own_ratios),
                "gap_before_ms": statistics.median(before) * 1000,
                "gap_during_ms": statistics.median(during) * 1000,
                "gap_during_p99_ms": quantile(during, 0.99) * 1000,
                "gap_during_most_ms": max(during) * 1000,
                "prompt_s": long_one.times[0] - long_one.began,
                "prompt_tokens": (long_one.usage or {}).get("prompt_tokens",
                                                            self.options.prompt_tokens)}

    def overlap(self, count):
        since = time.monotonic() * 1e6
        stream = self.stream(count, self.prompt(self.options.prompt_tokens), 1)
        read_streams([stream])
        time.sleep(TRACE_SETTLES_S)
        nodes = step_trace.spans(self.meshes[count].traces)
        return {"overlap_share": step_trace.overlap(nodes, since),
                "prefill_tps": stream.usage["prompt_tokens"] / (stream.times[0] - stream.began)}

    def hop(self, count):
        since = time.monotonic() * 1e6
        read_streams([self.stream(count, self.prompt(16), self.options.tokens)])
        until = time.monotonic() * 1e6
        time.sleep(TRACE_SETTLES_S)
        nodes = step_trace.order_of(step_trace.spans(self.meshes[count].traces))
        activation, token = step_trace.hops(nodes, since, until)
        return {"activation_us": statistics.median(activation),
                "token_us": statistics.median(token)}

    def idle_cpu(self, count, seconds=2.0):
        """Share of one core that a mesh without work takes, all its nodes together."""
        mesh = self.meshes[count]
        before = sum(n.cpu_seconds() for n in mesh.nodes)
        time.sleep(seconds)
        return (sum(n.cpu_seconds() for n in mesh.nodes) - before) / seconds

    def run(self, scene, measure, counts):
        """`runs` rounds over the meshes in turns; {nodes: {figure: spread}}."""
        runs = {count: [] for count in counts}
        for round_number in range(self.options.runs):
            for count in counts:
                runs[count].append(measure(count))
            print(f"{scene} {round_number + 1}/{self.options.runs}: " +
                  json.dumps({c: r[-1] for c, r in runs.items()}), file=sys.stderr)
        return {str(count): {name: plot.spread([r[name] for r in done]) for name in done[0]}
                for count, done in runs.items()}


def bare_hops(options):
    """libzmq alone: while nothing else runs, and after a computation as a stage's."""
    done = {}
    for name, busy_ms in (("idle", 0), ("busy", options.hop_busy_ms)):
        rounds = 300 if busy_ms == 0 else 60
        out = subprocess.run([options.hop_bench, str(rounds), str(busy_ms)], check=True,
                             capture_output=True, text=True)
        done[name] = json.loads(out.stdout)
    return done


def llama_rpc(options):
    """llama.cpp's decode speed, by itself and through one RPC worker on loopback."""
    port = free_ports(1)[0]
    worker = subprocess.Popen([options.rpc_server, "-H", "127.0.0.1", "-p", str(port), "-t",
                               str(options.threads)], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    base = [options.llama_bench, "-m", options.model, "-t", str(options.threads), "-p", "0", "-n",
            str(options.tokens), "-r", str(options.runs), "-o", "json"]
    try:
        figures = {}
        for name, more in (("local", []), ("rpc", ["-ngl", "99", "--rpc", f"127.0.0.1:{port}"])):
            out = subprocess.run([*base, *more], check=True, capture_output=True, text=True)
            figures[name] = statistics.median(json.loads(out.stdout)[0]["samples_ts"])
        return figures
    finally:
        worker.terminate()
        worker.wait()


def listens(port):
    """Whether something listens on that port of 127.0.0.1. It does not connect to find out, as
    distributed-llama's worker takes whoever comes first for its root."""
    with open("/proc/net/tcp") as file:
        return any(fields[1] == f"0100007F:{port:04X}" and fields[3] == "0A"
                   for fields in map(str.split, file))


def dllama_speed(text):
    """Tokens/s that distributed-llama says it decoded, by the last of such lines, as those before
    may be a model's:
    Prediction
        nTokens: 60
       tokens/s: 20.00 (50.00 ms/tok)"""
    last = text.rpartition("\nPrediction\n")[2]
    found = re.match(r" +nTokens: +\d+\n +tokens/s: +([0-9.]+) \(", last)
    if not found:
        raise AssertionError("distributed-llama's output has no tokens/s under 'Prediction'; it "
                             f"ends with:\n{text[-1000:]}")
    return float(found[1])


def dllama_run(options, threads, *more):
    done = subprocess.run([options.dllama, "inference", "--model", options.dllama_model,
                           "--tokenizer", options.dllama_tokenizer, "--prompt", "Hello",
                           "--steps", str(options.tokens), "--nthreads", str(threads),
                           "--buffer-float-type", "q80", "--max-seq-len", "4096",
                           "--temperature", "0", *more],
                          capture_output=True, text=True, errors="replace", timeout=DLLAMA_SECONDS)
    if done.returncode != 0:
        raise AssertionError(f"distributed-llama: exit {done.returncode}\n"
                             f"{(done.stdout + done.stderr)[-1000:]}")
    return dllama_speed(done.stdout)


def distributed_llama(options):
    """distributed-llama's decode speed, by itself and with one worker on loopback, in turns."""
    # Its threads spin wherever they wait, so that more threads than cores slow it down five to ten
    # times: the two processes share the threads that the one has.
    each = max(1, options.threads // 2)
    port = free_ports(1)[0]
    worker = subprocess.Popen([options.dllama, "worker", "--host", "127.0.0.1", "--port",
                               str(port), "--nthreads", str(each)], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        runs = {"local": [], "worker": []}
        for round_number in range(options.runs):
            runs["local"].append(dllama_run(options, options.threads))
            lab.wait_for("distributed-llama's worker listens", lambda: listens(port))
            runs["worker"].append(dllama_run(options, each, "--workers", f"127.0.0.1:{port}"))
            print(f"distributed-llama {round_number + 1}/{options.runs}: " +
                  json.dumps({name: r[-1] for name, r in runs.items()}), file=sys.stderr)
        return {name: statistics.median(r) for name, r in runs.items()}
    finally:
        worker.terminate()
        worker.wait()


def measure(options, the_lab):
    bench = Bench(options, the_lab)
    several = [n for n in options.nodes if n > 1]
    result = {"model": bench.model, "threads": options.threads, "relay_ms": options.relay_ms,
              "relay_mbit": options.relay_mbit, "step_rows": options.step_rows,
              "idle_cpu": {str(n): bench.idle_cpu(n) for n in options.nodes}}
    if "single" in options.scenes:
        result["single"] = bench.run("single", bench.single, options.nodes)
    if "eight" in options.scenes:
        result["eight"] = bench.run("eight", bench.eight, options.nodes)
    if "prompt" in options.scenes:
        result["prompt"] = bench.run("prompt", bench.prompt_beside_streams, options.nodes[:2])
    if several and not bench.traced and {"hop", "overlap"} & set(options.scenes):
        bench.start_meshes(True)
    if "hop" in options.scenes and several:
        if options.hop_bench:
            result["bare_hop_us"] = bare_hops(options)
        result["hop"] = bench.run("hop", bench.hop, several)
    if "overlap" in options.scenes and several:
        result["overlap"] = bench.run("overlap", bench.overlap, several[:1])
    if options.llama_bench and options.rpc_server:
        result["llama_rpc"] = llama_rpc(options)
    if options.dllama:
        result["distributed_llama"] = distributed_llama(options)
    if options.keep_traces:
        os.makedirs(options.keep_traces, exist_ok=True)
        for count, mesh in bench.meshes.items():
            events = [e for path in mesh.traces for e in step_trace.read_trace(path)]
            with open(os.path.join(options.keep_traces, f"{count}-nodes.json"), "w") as file:
                json.dump(events, file)
    return result


def ratios(result):
    """What the meshes reach of one process: the median, lowest and highest of the rounds' ratios,
    as a machine's speed may change between two rounds by more than a mesh costs."""
    lines = []
    for scene, figure in (("single", "decode_tps"), ("eight", "tps")):
        one = result.get(scene, {}).get("1")
        for count, figures in result.get(scene, {}).items():
            if not one or count == "1":
                continue
            shares = plot.spread([mesh / alone for mesh, alone in zip(
                figures[figure]["runs"], one[figure]["runs"])])
            figures["of_one_process"] = shares
            lines.append(f"{scene}: {count} nodes reach {shares['median']:.3f} of one process "
                         f"({shares['lowest']:.3f}, {shares['highest']:.3f})")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0],
                                     epilog="More in this file's first lines.")
    parser.add_argument("--weft", required=True)
    parser.add_argument("--model", default="synth.gguf")
    parser.add_argument("--synth", help="make a random model of this shape instead")
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=list(SCENES))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="of each node")
    parser.add_argument("--tokens", type=int, default=48, help="that a stream decodes")
    parser.add_argument("--prompt-tokens", type=int, default=4096)
    parser.add_argument("--kv-tokens", type=int, default=24576)
    parser.add_argument("--memory", help="of each node; default: what forces even shares")
    parser.add_argument("--step-rows", type=int, default=0, help="0: the node's default")
    parser.add_argument("--relay-ms", type=float, default=0)
    parser.add_argument("--relay-mbit", type=float, default=0)
    parser.add_argument("--hop-bench", help="the program that measures libzmq alone")
    parser.add_argument("--hop-busy-ms", type=int, default=10)
    parser.add_argument("--llama-bench")
    parser.add_argument("--rpc-server")
    parser.add_argument("--dllama", help="distributed-llama's program")
    parser.add_argument("--dllama-model", help="a model in its format (.m)")
    parser.add_argument("--dllama-tokenizer", help="a tokenizer in its format (.t)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", help="the result as JSON; default: stdout")
    parser.add_argument("--svg", help="a plot")
    parser.add_argument("--keep-traces", help="a folder for the joined traces, for a viewer; then "
                        "every scene is traced, not hop and overlap alone")
    options = parser.parse_args()
    if options.dllama and not (options.dllama_model and options.dllama_tokenizer):
        parser.error("--dllama needs --dllama-model and --dllama-tokenizer")
    with lab.Lab(options.weft) as the_lab:
        result = measure(options, the_lab)
    lines = ratios(result)
    text = json.dumps(result, indent=1)
    if options.out:
        with open(options.out, "w") as file:
            file.write(text + "\n")
    else:
        print(text)
    if options.svg:
        with open(options.svg, "w") as file:
            file.write(plot.bars(result))
    for line in lines:
        print(line, file=sys.stderr)


if __name__ == "__main__":
    main()
