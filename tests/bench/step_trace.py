"""What the traces of a mesh's nodes (`weft up --trace`) say: hops, and how far stages overlap."""
import json
import statistics


def read_trace(path):
    """A trace's events; also of a node that still runs, whose last line may be cut."""
    events = []
    with open(path, errors="replace") as file:
        for line in file:
            line = line.strip().rstrip(",")
            if line.startswith("{") and line.endswith("}}"):
                try:
                    events.append(json.loads(line))
                except ValueError:
                    pass
    return events


def spans(paths):
    """One list per node: its compute spans as (begin us, end us, args)."""
    nodes = []
    for path in paths:
        nodes.append([(e["ts"], e["ts"] + e["dur"], {**e["args"], "kind": e["name"]})
                      for e in read_trace(path) if e.get("cat") == "compute"])
    return nodes


def order_of(nodes):
    """The nodes' spans in the order of their stages: who computes a row first."""
    rows = [{(a["session"], a["first"]): begin for begin, _, a in node} for node in nodes]
    common = set.intersection(*(set(r) for r in rows)) if rows else set()
    key = next(iter(common), None)
    return nodes if key is None else [n for _, n in sorted(
        zip([r[key] for r in rows], nodes), key=lambda pair: pair[0])]


def hops(nodes, since_us=0, until_us=float("inf")):
    """(activation hops, token hops) in us, of decode rows: from the end of a stage's computation to
    the begin of the next one's. A token's hop goes from the last stage to the first one's next
    row. The nodes must be in the order of their stages."""
    decode = [{(a["session"], a["first"]): (begin, end) for begin, end, a in node
               if a["kind"] == "decode" and a["batch_rows"] == 1 and since_us <= begin < until_us}
              for node in nodes]
    activation, token = [], []
    for before, after in zip(decode, decode[1:]):
        activation += [after[key][0] - before[key][1] for key in before if key in after]
    for (session, first), (_, end) in decode[-1].items():
        following = decode[0].get((session, first + 1))
        if following:
            token.append(following[0] - end)
    return activation, token


def overlap(nodes, since_us=0, until_us=float("inf")):
    """The share of the time in which any node computes a prefill chunk that two or more do."""
    edges = []
    for node in nodes:
        busy = sorted({(begin, end) for begin, end, a in node
                       if a["kind"] == "prefill" and since_us <= begin < until_us})
        edges += [(begin, 1) for begin, _ in busy] + [(end, -1) for _, end in busy]
    edges.sort()
    any_us = both_us = running = last = 0
    for at, change in edges:
        any_us += (at - last) if running >= 1 else 0
        both_us += (at - last) if running >= 2 else 0
        running, last = running + change, at
    return both_us / any_us if any_us else 0.0


def summary(values):
    if not values:
        return None
    ordered = sorted(values)
    return {"median": statistics.median(ordered), "p99": ordered[int(len(ordered) * 0.99)],
            "lowest": ordered[0], "highest": ordered[-1], "count": len(ordered)}
