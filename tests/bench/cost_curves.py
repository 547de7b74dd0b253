#!/usr/bin/env python3
"""How the cost of one process of weft grows: a curve each, a fit, a plot.

    cost_curves.py MODEL.gguf [--weft build/weft] [--threads 2] [--runs 5]
        [--contexts 128 512 1024 2048 4096 8192] [--sessions 1 2 4 8 16 32] [--load MODEL.gguf...]
        [--out FILE] [--svg FILE]

  decode   milliseconds of a token against the tokens before it: a + b * context, where b should be
           what the bytes of the KV cache say beside those of the weights
  prefill  seconds of a prompt against its length: a * n + b * n^2 (attention reads what is before)
  sessions tokens/s of all against how many decode together
  load     seconds against bytes of the files (MODEL and those of --load): of two loads in a row the
           second, as the first also waits for memory that the host has not given yet
A run measures every point once; points are medians of the runs, beside them the lowest. Fits are of
the lowest, as what disturbs a run only makes it longer; prints how far they are off.
"""
import argparse
import functools
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import plot  # noqa: E402

NEW_TOKENS = 16
SESSION_PROMPT = 64


def weft(options, *arguments):
    done = subprocess.run([options.weft, *arguments, "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"weft {' '.join(arguments)}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def bench(options, model, prompts, sessions, tokens=NEW_TOKENS):
    return weft(options, "bench", model, "--backend", "cpu", "-t", str(options.threads), "-n",
                str(tokens), "--repeat", "1", "-p", ",".join(map(str, prompts)),
                "--sessions", ",".join(map(str, sessions)))


def one_run(options):
    """{curve: {x: y}} of one run, and the bytes of weights that a token reads."""
    alone = bench(options, options.model, options.contexts, [1])
    single = alone["points"]
    many = bench(options, options.model, [SESSION_PROMPT], options.sessions)["points"]
    middle = NEW_TOKENS / 2  # of the tokens that a decode's mean is of
    load = {}
    for model in [options.model, *options.load]:
        for _ in range(2):
            load[os.path.getsize(model) / 1e9] = bench(options, model, [1], [1], 1)["load_s"]
    return {"decode": {p["prompt_tokens"] + middle: 1000 / p["decode_tps"] for p in single},
            "prefill": {p["prompt_tokens"]: p["prompt_tokens"] / p["prefill_tps"] for p in single},
            "sessions": {p["sessions"]: p["decode_tps"] for p in many},
            "load": load}, alone["weight_bytes"]


def least_squares(points, first, second):
    """The a and b with which a * first(x) + b * second(x) is nearest, each point's error taken
    relative to its value."""
    aa = ab = bb = ay = by = 0.0
    for x, y in points:
        f, s = first(x) / y, second(x) / y
        aa, ab, bb, ay, by = aa + f * f, ab + f * s, bb + s * s, ay + f, by + s
    det = aa * bb - ab * ab
    if not det:
        return points[0][1] / first(points[0][0]), 0.0
    return (ay * bb - by * ab) / det, (by * aa - ay * ab) / det


FITS = {"decode": (lambda x: 1, lambda x: x), "prefill": (lambda x: x, lambda x: x * x),
        "load": (lambda x: 1, lambda x: x)}


def fitted(name, fit, x):
    first, second = FITS[name]
    return fit["a"] * first(x) + fit["b"] * second(x)


def summarize(runs):
    curves = {}
    for name in runs[0]:
        points = [(x, plot.spread([run[name][x] for run in runs])) for x in sorted(runs[0][name])]
        curve = {"points": [{"x": x, **figures} for x, figures in points]}
        if name in FITS and len(points) > 1:
            lowest = [(x, figures["lowest"]) for x, figures in points]
            curve["fit"] = dict(zip("ab", least_squares(lowest, *FITS[name])))
            curve["fit"]["off_by_most"] = max(
                abs(fitted(name, curve["fit"], x) - y) / y for x, y in lowest)
        curves[name] = curve
    return curves


def slope_by_bytes(kv_bytes, weight_bytes, fit):
    """The decode curve's slope, over what it would be if the KV cache were read like weights."""
    return fit["b"] / (fit["a"] * kv_bytes / weight_bytes)


TITLES = {"decode": ("milliseconds of a token", "tokens before it"),
          "prefill": ("seconds of a prompt", "tokens"),
          "sessions": ("tokens/s of all", "sessions"),
          "load": ("seconds to load", "GB of the file")}


def charts(curves):
    return [(*TITLES[name], curve["points"],
             functools.partial(fitted, name, curve["fit"]) if "fit" in curve else None)
            for name, curve in curves.items()]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--weft", default="build/weft")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--contexts", type=int, nargs="+",
                        default=[128, 512, 1024, 2048, 4096, 8192])
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--load", nargs="+", default=[], help="more models, to be loaded only")
    parser.add_argument("--out", help="all points as JSON")
    parser.add_argument("--svg", help="a plot")
    options = parser.parse_args()
    runs = []
    for run in range(options.runs):
        print(f"run {run + 1} of {options.runs}", file=sys.stderr)
        figures, weight_bytes = one_run(options)
        runs.append(figures)
    curves = summarize(runs)
    for name, curve in curves.items():
        y, x = TITLES[name]
        print(f"{name}: {y} by {x}: " +
              ", ".join(f"{p['x']:g}: {p['median']:.4g} ({p['lowest']:.4g})"
                        for p in curve["points"]))
        if "fit" in curve:
            print(f"  fit a {curve['fit']['a']:.4g}, b {curve['fit']['b']:.4g}, off by at most "
                  f"{100 * curve['fit']['off_by_most']:.0f} %")
    if "fit" in curves["decode"]:
        kv_bytes = weft(options, "info", options.model)["kv_bytes_per_token"]["f16"]
        share = slope_by_bytes(kv_bytes, weight_bytes, curves["decode"]["fit"])
        curves["decode"]["fit"]["slope_by_bytes"] = share
        print(f"decode: the slope is {share:.2f} of what the KV cache's bytes say")
    if options.out:
        with open(options.out, "w") as file:
            json.dump({"model": os.path.basename(options.model), "threads": options.threads,
                       "curves": curves}, file, indent=1)
    if options.svg:
        with open(options.svg, "w") as file:
            file.write(plot.lines(f"{os.path.basename(options.model)}, {options.threads} threads",
                                  charts(curves)))


if __name__ == "__main__":
    main()
