"""distributed_llama_test.py WEFT: the mesh benchmark runs and reads distributed-llama as it should.

A script stands in for the program: it takes the same options and prints the same last lines.
"""
import argparse
import os
import sys
import tempfile

from lab import ROOT, expect

sys.path.insert(0, os.path.join(ROOT, "tests", "bench"))
import mesh_bench  # noqa: E402

# Each run alone is 10 tokens/s faster than the one before, a run with a worker 5 slower than alone.
# What the model "says" looks like figures.
PROGRAM = r"""#!/usr/bin/env python3
import os, socket, sys
options = dict(zip(sys.argv[2::2], sys.argv[3::2]))
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "calls"), "a") as calls:
    calls.write(f"{sys.argv[1]} {options['--nthreads']} {os.getpid()}\n")
if sys.argv[1] == "worker":
    listener = socket.create_server((options["--host"], int(options["--port"])))
    while True:
        listener.accept()
if "no such model" in options["--model"]:
    print("Cannot open model file")
    sys.exit(1)
with open(os.path.join(here, "calls")) as calls:
    speed = 10 * sum(1 for line in calls if line.startswith("inference 2"))
if "--workers" in options:
    host, port = options["--workers"].split(":")
    socket.create_connection((host, int(port))).close()
    speed -= 5
print("Pred   50 ms Sync    0 ms | Sent     0 kB Recv     0 kB | a\nPrediction\n"
      "    nTokens: 7\n   tokens/s: 99.00 (\n\nEvaluation\n"
      "   nBatches: 32\n    nTokens: 5\n   tokens/s: 40.00 (25.00 ms/tok)")
if "no figures" not in options["--model"]:
    print(f"Prediction\n    nTokens: 60\n   tokens/s: {speed:3.2f} ({1000 / speed:3.2f} ms/tok)")
else:
    print("Prediction\n    nTokens: 0\n   tokens/s: -nan (inf ms/tok)")
if "--workers" in options:
    print("Network is closed")
"""


def options_of(folder, model):
    program = os.path.join(folder, "dllama")
    with open(program, "w") as file:
        file.write(PROGRAM)
    os.chmod(program, 0o755)
    return argparse.Namespace(dllama=program, dllama_model=model, dllama_tokenizer="some.t",
                              threads=2, tokens=64, runs=3)


def calls_of(folder):
    with open(os.path.join(folder, "calls")) as file:
        return [line.split() for line in file]


def error_of(folder, model):
    try:
        mesh_bench.distributed_llama(options_of(folder, model))
    except AssertionError as error:
        return str(error)
    return "none"


def ended(pid):
    return not os.path.exists(f"/proc/{pid}")


def main():
    with tempfile.TemporaryDirectory(prefix="weft-dllama-") as folder:
        found = mesh_bench.distributed_llama(options_of(folder, "some.m"))
        expect(found == {"local": 20.0, "worker": 15.0}, f"the medians are {found}")
        calls = calls_of(folder)
        expect([c[1] for c in calls if c[0] == "worker"] == ["1"], "not one worker of one thread")
        expect([c[1] for c in calls if c[0] == "inference"] == ["2", "1"] * 3,
               f"not in turns, or other threads: {calls}")
        expect("exit 1" in error_of(folder, "no such model"), "a failure is no error")
        error = error_of(folder, "no figures")
        expect("no tokens/s" in error and "-nan" in error, f"the output is not shown: {error}")
        workers = [c[2] for c in calls_of(folder) if c[0] == "worker"]
        expect(all(ended(pid) for pid in workers), "a worker is left")


if __name__ == "__main__":
    main()
