"""openai_test.py WEFT: the official OpenAI client for Node.js streams from a mesh of three,
calls tools, and has answers follow schemas and grammars, through each of its nodes.

Needs node, and `npm ci` in tests/e2e/openai_client.
"""
import os
import shutil
import subprocess
import sys

from lab import PATIENCE, ROOT, Lab, expect, need_model, skip

CLIENT = os.path.join(ROOT, "tests", "e2e", "openai_client")


def main():
    if not shutil.which("node"):
        skip("no `node`")
    if not os.path.isdir(os.path.join(CLIENT, "node_modules")):
        skip("no openai client; run `npm ci` in tests/e2e/openai_client")
    need_model()
    with Lab(sys.argv[1]) as lab:
        nodes = lab.loopback_mesh("--memory", "24M", "--kv-tokens", "2048", "--min-nodes", "3")
        nodes[1].complete("What is 27 + 58?", chat=True)
        done = subprocess.run(["node", os.path.join(CLIENT, "stream_chat.mjs"),
                               f"http://{nodes[1].address()}", "weft-tiny", "What is 27 + 58?"],
                              capture_output=True, text=True, timeout=60 * PATIENCE)
        print(done.stdout, done.stderr)
        expect(done.returncode == 0, f"the client ended with {done.returncode}")
        expect("85" in done.stdout, "the answer is not 85")
        # Answers that are sampled on another node than the one that is asked, too.
        for node in nodes:
            done = subprocess.run(["node", os.path.join(CLIENT, "features.mjs"),
                                   f"http://{node.address()}", "weft-tiny"],
                                  capture_output=True, text=True, timeout=120 * PATIENCE)
            print(done.stdout, done.stderr)
            expect(done.returncode == 0, f"features.mjs ended with {done.returncode}")


if __name__ == "__main__":
    main()
