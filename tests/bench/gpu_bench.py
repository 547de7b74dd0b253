#!/usr/bin/env python3
"""Measures weft on a GPU, beside what the GPU's own memory allows and beside llama.cpp's.

    gpu_bench.py WEFT --model FILE [--device D] [--llama-bench PATH] [--runs 5] [--prompt 512]
        [--tokens 64] [--out gpu.json]

For each file: decode tokens/s of one stream, and its ratio to the bound that a copy between two
buffers of the device gives (bytes per second read and written, by the bytes of weights that a token
reads); the prompt's tokens/s, and what its products are of the rates that the device's matrices of
halves and of bytes reach in registers (two operations for each parameter of the layers; attention
and the head are left out), where it has such matrices and weft's build knows them. --llama-bench is
one that was built with Vulkan; it takes turns with weft, on the same file. D is the device's number
in `weft status`, or a part of its name; without it the best GPU. Exits with 77 where there is no
Vulkan device. A processor in disguise is measured when it is named, and its figures are marked:
they say nothing of a GPU.
"""
import argparse
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from plot import spread  # noqa: E402

IN_DISGUISE = "a processor in disguise: says nothing of a GPU"
RATES = (("half", "half_tflops", "TFLOP/s", "matrices of halves"),
         ("byte", "byte_tops", "TOP/s", "matrices of bytes"))

NO_DEVICE = ("there is: none", "no Vulkan driver", "no Vulkan loader")


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        if any(none in done.stderr for none in NO_DEVICE):
            print(f"skipped: {done.stderr.strip()}")
            sys.exit(77)
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def measure_weft(options, model):
    command = [options.weft, "bench", model, "--backend", "vulkan", "--repeat", "1", "--json",
               "-p", str(options.prompt), "-n", str(options.tokens)]
    return run(command + (["--vulkan-device", options.device] if options.device else []))


def measure_llama(options, model):
    command = [options.llama_bench, "-m", model, "-ngl", "999", "-r", "1", "-o", "json",
               "-p", str(options.prompt), "-n", str(options.tokens)]
    figures = {}
    for test in run(command):
        figures["prefill_tps" if test["n_gen"] == 0 else "decode_tps"] = test["avg_ts"]
        figures["backend"] = test.get("backends", test.get("gpu_info", ""))
    return figures


def summary(model, turns):
    """Medians over the turns; ratios are of one turn each."""
    first = turns[0]["weft"]
    weft = [turn["weft"] for turn in turns]
    found = {"model": os.path.basename(model), "device": first["device"],
             "bytes_per_token": first["weight_bytes"],
             "decode_tps": spread([w["decode_tps"] for w in weft]),
             "prefill_tokens": first["prompt_tokens"],
             "prefill_tps": spread([w["prefill_tps"] for w in weft])}
    if all("copy_gbps" in w for w in weft):
        found["copy_gbps"] = spread([w["copy_gbps"] for w in weft])
        found["decode_of_bound"] = spread(
            [w["decode_tps"] * w["weight_bytes"] / (w["copy_gbps"] * 1e9) for w in weft])
    else:
        found["decode_of_bound_absent"] = "the device has no clock to measure a copy with"
    for name, rate, _, _ in RATES:
        if all(rate in w for w in weft):
            found[rate] = spread([w[rate] for w in weft])
            found[f"prefill_of_{name}_rate"] = spread(
                [w["prefill_tps"] * 2 * w["layer_parameters"] / (w[rate] * 1e12) for w in weft])
        else:
            found[f"prefill_of_{name}_rate_absent"] = first["rates_absent"]
    if "llama" in turns[0]:
        for figure in ("decode_tps", "prefill_tps"):
            found[f"llama_{figure}"] = spread([turn["llama"][figure] for turn in turns])
            found[f"{figure}_of_llama"] = spread(
                [turn["weft"][figure] / turn["llama"][figure] for turn in turns])
    if first["device"]["kind"] == "cpu":
        found["warning"] = IN_DISGUISE
    return found


def line(name, values, unit):
    return (f"  {name:34} {values['median']:10.4g} {unit} "
            f"({values['lowest']:.4g} to {values['highest']:.4g})")


def show(found):
    device = found["device"]
    print(f"{found['model']} on {device['name']} ({device['kind']}; {device['driver']})")
    if "warning" in found:
        print(f"  {found['warning'].upper()}")
    print(line("decode", found["decode_tps"], "tokens/s"))
    if "copy_gbps" in found:
        print(line("a copy reads and writes", found["copy_gbps"], "GB/s"))
        print(line("decode, of what that allows", found["decode_of_bound"], ""))
    else:
        print(f"  decode, of its bound: absent, {found['decode_of_bound_absent']}")
    print(line(f"prompt of {found['prefill_tokens']}", found["prefill_tps"], "tokens/s"))
    for name, rate, unit, of_what in RATES:
        if rate in found:
            print(line(of_what, found[rate], unit))
            print(line("prompt, of what those allow", found[f"prefill_of_{name}_rate"], ""))
        else:
            print(f"  prompt, of {of_what}: absent, {found[f'prefill_of_{name}_rate_absent']}")
    for figure, name in (("decode_tps", "decode"), ("prefill_tps", "prompt")):
        if f"llama_{figure}" in found:
            print(line(f"{name}, llama.cpp", found[f"llama_{figure}"], "tokens/s"))
            print(line(f"{name}, weft's part of that", found[f"{figure}_of_llama"], ""))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weft")
    parser.add_argument("--model", nargs="+", required=True, help="GGUF files")
    parser.add_argument("--device", help="its number in `weft status`, or a part of its name")
    parser.add_argument("--llama-bench", help="of llama.cpp, built with Vulkan")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--prompt", type=int, default=512, help="tokens")
    parser.add_argument("--tokens", type=int, default=64, help="that the stream decodes after it")
    parser.add_argument("--out", help="all turns and the summary as JSON")
    options = parser.parse_args()
    results = []
    for model in options.model:
        turns = []
        for turn in range(options.runs):
            print(f"{os.path.basename(model)}: turn {turn + 1} of {options.runs}", file=sys.stderr)
            turns.append({"weft": measure_weft(options, model)})
            if options.llama_bench:
                turns[-1]["llama"] = measure_llama(options, model)
        results.append({"summary": summary(model, turns), "turns": turns})
        show(results[-1]["summary"])
    if options.out:
        with open(options.out, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
