"""Bars and curves as SVG, without a library."""
import statistics

WIDTH, BAR, GAP, LEFT = 720, 22, 8, 160
SCENES = (("single", "decode_tps", "one stream, tokens/s"),
          ("eight", "tps", "eight streams, tokens/s"),
          ("hop", "activation_us", "hop of a row, us"), ("hop", "token_us", "hop of a token, us"),
          ("prompt", "worst_gap_ratio", "longest gap to median, long prompt"),
          ("overlap", "overlap_share", "share of prefill that overlaps"))


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;")


def spread(values):
    """Median, lowest and highest of repeated measurements."""
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values),
            "runs": [round(v, 4) for v in values]}


def draw(title, groups):
    """Bars of medians, with a line from the lowest to the highest run. A group is (title, rows), a
    row is (label, spread); each group has a scale of its own."""
    body, y = [], 40
    for name, rows in groups:
        most = max(f["highest"] for _, f in rows) or 1
        scale = (WIDTH - LEFT - 110) / most
        body.append(f'<text x="10" y="{y + 15}" font-weight="bold">{escape(name)}</text>')
        y += BAR
        for label, f in rows:
            low, high, mid = (LEFT + f[k] * scale for k in ("lowest", "highest", "median"))
            centre = y + BAR / 2
            body.append(f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(label)}'
                        f'</text>'
                        f'<rect x="{LEFT}" y="{y}" width="{mid - LEFT:.1f}" height="{BAR}" '
                        f'fill="#4a7dbd"/><line x1="{low:.1f}" y1="{centre}" x2="{high:.1f}" '
                        f'y2="{centre}" stroke="#222" stroke-width="2"/>'
                        f'<text x="{high + 6:.1f}" y="{y + 15}">{f["median"]:.4g}</text>')
            y += BAR + GAP
        y += 2 * GAP
    return page(title, y, body)


def curve(x0, y0, title, axis, points, fit):
    """One chart of `lines`, with its upper left corner there."""
    width, height = WIDTH / 2 - 90, 180
    x_most = max(p["x"] for p in points) or 1
    y_most = max(p["highest"] for p in points) or 1

    def at(x, y):
        return x0 + 50 + x / x_most * width, y0 + 30 + height - y / y_most * height
    left, bottom = at(0, 0)
    right, top = at(x_most, y_most)
    body = [f'<text x="{left}" y="{y0 + 18}" font-weight="bold">{escape(title)}</text>'
            f'<polyline points="{left},{top} {left},{bottom} {right},{bottom}" fill="none" '
            f'stroke="#888"/><text x="{left - 6}" y="{top + 4}" text-anchor="end">{y_most:.3g}'
            f'</text><text x="{left - 6}" y="{bottom}" text-anchor="end">0</text>'
            f'<text x="{right}" y="{bottom + 16}" text-anchor="end">{x_most:.4g} {escape(axis)}'
            f'</text>']
    if fit:
        way = " ".join("{:.1f},{:.1f}".format(*at(x_most * i / 40, fit(x_most * i / 40)))
                       for i in range(41))
        body.append(f'<polyline points="{way}" fill="none" stroke="#bbb" stroke-width="2"/>')
    for p in points:
        x, y = at(p["x"], p["median"])
        body.append(f'<line x1="{x:.1f}" y1="{at(0, p["lowest"])[1]:.1f}" x2="{x:.1f}" '
                    f'y2="{at(0, p["highest"])[1]:.1f}" stroke="#222"/>'
                    f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#4a7dbd"/>')
    return "".join(body)


def lines(title, charts):
    """Curves, two side by side: medians as dots, lowest to highest as lines, a fit in grey. A
    chart is (title, what x is, [{"x", "median", "lowest", "highest"}], function of x or None)."""
    high = 250
    body = [curve((i % 2) * WIDTH / 2, 30 + i // 2 * high, *chart)
            for i, chart in enumerate(charts)]
    return page(title, 40 + (len(charts) + 1) // 2 * high, body)


def page(title, height, body):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'font-family="sans-serif" font-size="13">'
            f'<rect width="100%" height="100%" fill="#fff"/>'
            f'<text x="10" y="22" font-size="15">{escape(title)}</text>{"".join(body)}</svg>\n')


def bars(result):
    """What mesh_bench.py found: each scene's figures by number of nodes."""
    groups = []
    for scene, figure, title in SCENES:
        rows = [(f"{count} node(s)", figures[figure])
                for count, figures in result.get(scene, {}).items() if figure in figures]
        if rows:
            groups.append((title, rows))
    title = f"{result['model']}, {result['threads']} threads a node"
    if result.get("relay_ms") or result.get("relay_mbit"):
        title += f", links of {result['relay_ms']} ms and {result['relay_mbit']} Mbit/s"
    return draw(title, groups)
