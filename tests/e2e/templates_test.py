"""templates_test.py WEFT: `weft template` renders every published template of the golden data on
its conversations as Jinja2 does, byte for byte, and fails with its own words where that does.

Needs the golden data: WEFT_GOLDEN_DIR, else shared/golden beside the checkout.
"""
import json
import os
import subprocess
import sys

from lab import ROOT, expect, skip

NOW = "2026-11-21T09:30:00"  # what strftime_now answered when the data was made


def render(weft, template, variables):
    return subprocess.run([weft, "template", template, "--input", "-", "--now", NOW],
                          input=json.dumps(variables).encode(), capture_output=True, timeout=60)


def defect(done, case):
    """What is wrong with a case's outcome; nothing if it is right."""
    if "error" in case:
        right = done.returncode == 1 and case["error"].encode() in done.stderr
        return None if right else f"not its exception: exit {done.returncode}, {done.stderr[:200]}"
    if done.returncode != 0:
        return f"exit {done.returncode}: {done.stderr[:200]}"
    if done.stdout == case["output"].encode():
        return None
    return f"{done.stdout[-200:]} where {case['output'].encode()[-200:]} is right"


def main():
    weft = os.path.abspath(sys.argv[1])
    golden = os.environ.get("WEFT_GOLDEN_DIR") or os.path.join(ROOT, "..", "shared", "golden")
    folder = os.path.join(golden, "templates")
    if not os.path.isdir(folder):
        skip("no golden data (set WEFT_GOLDEN_DIR to the folder that has it)")
    names = sorted(name[:-6] for name in os.listdir(folder) if name.endswith(".jinja"))
    expect(names, f"no templates in {folder}")
    count, wrong = 0, []
    for name in names:
        with open(os.path.join(folder, f"{name}.json")) as file:
            cases = json.load(file)
        for case in cases:
            done = render(weft, os.path.join(folder, f"{name}.jinja"), case["input"])
            count += 1
            what = defect(done, case)
            if what:
                wrong.append(f"{name}, {case['case']}: {what}")
    print(f"{count} cases of {len(names)} templates, {len(wrong)} wrong")
    expect(not wrong, "\n".join(wrong))


if __name__ == "__main__":
    main()
