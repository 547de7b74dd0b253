"""openai_test.py WEFT: the official OpenAI client for Node.js streams from a mesh of three,
calls tools, has answers follow schemas and grammars, and gets embeddings, through each node.

Needs node, and `npm ci` in tests/e2e/openai_client.
"""
import os
import shutil
import subprocess
import sys

from lab import PATIENCE, ROOT, Lab, expect, need_model, skip, wait_for

CLIENT = os.path.join(ROOT, "tests", "e2e", "openai_client")
KV_TOKENS = 2048


def run(script, node, *arguments, seconds=120):
    """What the script prints; it must end well."""
    done = subprocess.run(["node", os.path.join(CLIENT, script), f"http://{node.address()}",
                           "weft-tiny", *arguments],
                          capture_output=True, text=True, timeout=seconds * PATIENCE)
    print(done.stdout, done.stderr)
    expect(done.returncode == 0, f"{script} ended with {done.returncode}")
    return done.stdout


def holds_nothing(node):
    loads = [other["load"] for other in node.mesh()["nodes"]]
    return all(load["stage_sessions"] == 0 and load["kv_free_tokens"] == KV_TOKENS
               for load in loads)


def main():
    if not shutil.which("node"):
        skip("no `node`")
    if not os.path.isdir(os.path.join(CLIENT, "node_modules")):
        skip("no openai client; run `npm ci` in tests/e2e/openai_client")
    need_model()
    with Lab(sys.argv[1]) as lab:
        nodes = lab.loopback_mesh("--memory", "24M", "--kv-tokens", str(KV_TOKENS),
                                  "--min-nodes", "3")
        nodes[1].complete("What is 27 + 58?", chat=True)
        told = run("stream_chat.mjs", nodes[1], "What is 27 + 58?")
        expect("85" in told, "the answer is not 85")
        # Answers that are sampled on another node than the one that is asked, too.
        for node in nodes:
            run("features.mjs", node)
        vectors = {run("embeddings.mjs", node).splitlines()[-1] for node in nodes}
        expect(len(vectors) == 1, f"the nodes give different vectors: {vectors}")
        status, text = nodes[0].http("/v1/embeddings", {"input": [5]})
        expect(status == 200, text)
        wait_for("every cache is free again", lambda: holds_nothing(nodes[0]), 10)


if __name__ == "__main__":
    main()
