"""gpu_bench_test.py WEFT: the benchmark of a GPU says what it measured on, and its ratios fit.

The device is any that the machine has; without a GPU, Mesa's lavapipe. Skipped where there is none.
"""
import json
import os
import subprocess
import sys
import tempfile

from lab import MODEL, ROOT, expect, need_model, skip

SCRIPT = os.path.join(ROOT, "tests", "bench", "gpu_bench.py")
# Stands in for llama.cpp's, which prints one object for the prompt and one for the decode.
LLAMA_BENCH = """#!/usr/bin/env python3
import json
print(json.dumps([{"n_prompt": 32, "n_gen": 0, "avg_ts": 250.0, "backends": "Vulkan"},
                  {"n_prompt": 0, "n_gen": 4, "avg_ts": 12.5, "backends": "Vulkan"}]))
"""


def bench(*arguments):
    return subprocess.run([sys.executable, SCRIPT, sys.argv[1], "--model", MODEL, "--prompt", "32",
                           "--tokens", "4", *arguments], capture_output=True, text=True,
                          timeout=200)


def main():
    need_model()
    with tempfile.TemporaryDirectory(prefix="weft-gpu-bench-") as folder:
        llama, out = os.path.join(folder, "llama-bench"), os.path.join(folder, "gpu.json")
        with open(llama, "w") as file:
            file.write(LLAMA_BENCH)
        os.chmod(llama, 0o755)
        done = bench("--device", "0", "--runs", "2", "--llama-bench", llama, "--out", out)
        if done.returncode == 77:
            skip("no Vulkan device")
        expect(done.returncode == 0, f"it failed:\n{done.stdout}{done.stderr}")
        print(done.stdout)
        with open(out) as file:
            result = json.load(file)[0]
    summary, turns = result["summary"], result["turns"]
    expect(len(turns) == 2, "not as many turns as were asked for")
    expect(summary["device"]["name"] in done.stdout, "the device is not named")
    in_disguise = summary["device"]["kind"] == "cpu"
    expect(("says nothing of a GPU" in summary.get("warning", "")) == in_disguise,
           "a processor in disguise is not marked, or a GPU is")
    expect("SAYS NOTHING OF A GPU" in done.stdout or not in_disguise, "the text is not marked")
    if "copy_gbps" in summary:
        ratios = [t["weft"]["decode_tps"] * summary["bytes_per_token"]
                  / (t["weft"]["copy_gbps"] * 1e9) for t in turns]
        of_bound = summary["decode_of_bound"]
        expect(abs(of_bound["lowest"] - min(ratios)) < 1e-9 and
               abs(of_bound["highest"] - max(ratios)) < 1e-9, "the ratio to the bound is wrong")
        expect(abs(ratios[0] - turns[0]["weft"]["roofline_fraction"]) < 1e-6,
               "weft bench has another bound")
    for name, rate in (("half", "half_tflops"), ("byte", "byte_tops")):
        if rate not in summary:
            expect(summary[f"prefill_of_{name}_rate_absent"] in done.stdout,
                   "it does not say what is not measured, and why")
            continue
        shares = [t["weft"]["prefill_tps"] * 2 * t["weft"]["layer_parameters"]
                  / (t["weft"][rate] * 1e12) for t in turns]
        expect(abs(summary[f"prefill_of_{name}_rate"]["highest"] - max(shares)) < 1e-12,
               "the prompt's share of a rate is wrong")
    expect(summary["llama_decode_tps"]["median"] == 12.5, "llama.cpp's decode is misread")
    expect(summary["llama_prefill_tps"]["median"] == 250.0, "llama.cpp's prompt is misread")
    wrong = bench("--device", "no such device", "--runs", "1")
    expect(wrong.returncode == 1 and "no such device" in wrong.stderr, "a wrong name is no error")


if __name__ == "__main__":
    main()
