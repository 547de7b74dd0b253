#!/usr/bin/env python3
"""Compares one process of weft with other engines, on the same files, in the same run.

    compare_engines.py MODEL.gguf... [--weft build/weft] [--llama-bench PATH]
        [--llama-batched-bench PATH] [--ik-bench PATH] [--threads 2] [--runs 5] [--prompts 128 512]
        [--tokens 96] [--sessions 8] [--out FILE] [--svg FILE]

Engines take turns, so that what disturbs the machine disturbs all of them; every ratio is of one
turn. Without a path an engine is left out. Prints a table of medians (and the lowest and highest
ratio), writes all turns as JSON and draws a plot.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import plot  # noqa: E402

SESSION_TOKENS = 32  # that each of many sessions decodes


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def weft(options, model):
    base = [options.weft, "bench", model, "--backend", "cpu", "-t", str(options.threads),
            "--repeat", "1", "--json"]
    single = json.loads(run(base + ["-n", str(options.tokens),
                                    "-p", ",".join(map(str, options.prompts))]))
    figures = {f"prefill {p['prompt_tokens']}": p["prefill_tps"] for p in single["points"]}
    figures["decode"] = single["points"][0]["decode_tps"]
    if options.sessions > 1:
        many = json.loads(run(base + ["-n", str(SESSION_TOKENS), "-p", str(options.prompts[0]),
                                      "--sessions", str(options.sessions)]))
        figures[f"decode, {options.sessions} sessions"] = many["decode_tps"]
    figures["of the read bandwidth"] = single["roofline_fraction"]
    figures["load seconds"] = single["load_s"]
    figures["memory of the file"] = single["resident_bytes"] / os.path.getsize(model)
    return figures


def llama_bench(path, extra, options, model):
    command = [path, "-m", model, "-t", str(options.threads), "-n", str(options.tokens), "-r", "1",
               "-p", ",".join(map(str, options.prompts)), "-o", "json", *extra]
    figures = {}
    for test in json.loads(run(command)):
        speed = test["avg_ts"]
        figures[f"prefill {test['n_prompt']}" if test["n_gen"] == 0 else "decode"] = speed
    return figures


def batched_bench(path, options, model):
    out = run([path, "-m", model, "-t", str(options.threads), "-c",
               str(options.sessions * (options.prompts[0] + SESSION_TOKENS)), "-npp",
               str(options.prompts[0]), "-ntg", str(SESSION_TOKENS), "-npl",
               str(options.sessions)])
    rows = [line for line in out.splitlines() if re.match(r"\|\s*\d", line)]
    return {f"decode, {options.sessions} sessions": float(rows[-1].split("|")[8])}  # S_TG


def engines(options):
    """{name: function of a model} of what is to be measured, weft first."""
    found = {"weft": lambda model: weft(options, model)}
    if options.llama_bench:
        def llama(model):
            figures = llama_bench(options.llama_bench, [], options, model)
            if options.llama_batched_bench and options.sessions > 1:
                figures.update(batched_bench(options.llama_batched_bench, options, model))
            return figures
        found["llama.cpp"] = llama
    if options.ik_bench:
        found["ik_llama.cpp -rtr"] = lambda model: llama_bench(options.ik_bench, ["-rtr", "1"],
                                                               options, model)
    return found


def median_line(turns, name, figure):
    values = [turn[name][figure] for turn in turns if figure in turn[name]]
    if not values:
        return None
    ratios = [turn["weft"][figure] / turn[name][figure] for turn in turns]
    return {"median": statistics.median(values), "ratio": statistics.median(ratios),
            "ratio_low": min(ratios), "ratio_high": max(ratios)}


def table(model, turns):
    rows = {}
    for figure in turns[0]["weft"]:
        rows[figure] = {name: line for name in turns[0]
                        if (line := median_line(turns, name, figure))}
    print(f"\n{os.path.basename(model)}, medians of {len(turns)}")
    for figure, lines in rows.items():
        text = [f"weft {lines['weft']['median']:.2f}"]
        for name, line in lines.items():
            if name != "weft":
                text.append(f"{name} {line['median']:.2f} (weft is {line['ratio']:.2f} times that, "
                            f"{line['ratio_low']:.2f} to {line['ratio_high']:.2f})")
        print(f"  {figure:24} " + "; ".join(text))
    return rows


def groups(results):
    """What plot.draw takes: a group for each model and figure, a row for each engine."""
    found = []
    for result in results:
        for figure in result["turns"][0]["weft"]:
            rows = []
            for name in result["turns"][0]:
                values = [turn[name][figure] for turn in result["turns"] if figure in turn[name]]
                if values:
                    rows.append((name, plot.spread(values)))
            found.append((f"{result['model']}: {figure}", rows))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--weft", default="build/weft")
    parser.add_argument("--llama-bench")
    parser.add_argument("--llama-batched-bench")
    parser.add_argument("--ik-bench")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--prompts", type=int, nargs="+", default=[128, 512],
                        help="tokens; the first is also that of many sessions")
    parser.add_argument("--tokens", type=int, default=96, help="that one session decodes")
    parser.add_argument("--sessions", type=int, default=8, help="that decode together; 1: none")
    parser.add_argument("--out", help="all turns as JSON")
    parser.add_argument("--svg", help="a plot")
    options = parser.parse_args()
    results = []
    for model in options.models:
        turns = []
        for turn in range(options.runs):
            print(f"{os.path.basename(model)}: turn {turn + 1} of {options.runs}", file=sys.stderr)
            turns.append({name: measure(model) for name, measure in engines(options).items()})
        results.append({"model": os.path.basename(model), "threads": options.threads,
                        "turns": turns, "medians": table(model, turns)})
    if options.out:
        with open(options.out, "w") as file:
            json.dump(results, file, indent=1)
    if options.svg:
        with open(options.svg, "w") as file:
            file.write(plot.draw(f"{options.threads} threads", groups(results)))


if __name__ == "__main__":
    main()
