"""The figures of the rings as SVG drawings: packets a second, a bar for each call.

A bar is as long as the median of the starts; a thin line across its end goes from the least to the
most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from .rings import Result
from .starts import Spread, Starts

WIDTH, MARGIN, BETWEEN = 920, 20, 28
COLUMN = (WIDTH - 2 * MARGIN - BETWEEN) / 2
NAMES, FIGURES = 150, 58  # widths that the calls' names and the figures behind the bars take
BAR, ROW = 13, 22
HEAD, PANEL_HEAD, PANEL_GAP = 92, 30, 22
FONT = "ui-sans-serif,system-ui,-apple-system,Segoe UI,Helvetica,Arial,sans-serif"

SIZES = (64, 1400)
CALLS = {
    "receive": [
        "C loop",
        "receive_packets",
        "read_packed",
        "read_many(64, None)",
        "read(None)",
        "read_many_async",
        "read_async",
        "pytun-pmd3 read",
        "pytun-pmd3 async_read",
    ],
    "send": [
        "C loop",
        "write_packed",
        "write_many",
        "allocate_send_packets",
        "write",
        "allocate_send_packet",
        "pytun-pmd3 write",
    ],
}
TITLES = {"receive": "Receiving", "send": "Sending"}


class Colours(NamedTuple):
    text: str
    faint: str  # names of lesser weight, and the line that the bars stand on
    ours: str
    native: str
    peer: str


# As GitHub's own pages in light and in dark; the drawing has no ground of its own.
THEMES = {
    "light": Colours("#1f2328", "#59636e", "#0969da", "#8c959f", "#bc4c00"),
    "dark": Colours("#f0f6fc", "#9198a1", "#4493f8", "#656c76", "#f0883e"),
}


def text(x: float, y: float, content: str, colour: str, size: float = 12, more: str = "") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}"{more}>'
        f"{escape(content)}</text>"
    )


def colour_of(call: str, colours: Colours) -> str:
    if call == "C loop":
        return colours.native
    return colours.peer if call.startswith("pytun-pmd3") else colours.ours


def rate_text(rate: float) -> str:
    if rate >= 1e6:
        return f"{rate / 1e6:.1f} M"
    return f"{rate / 1e3:.0f} k" if rate >= 1e4 else f"{rate / 1e3:.1f} k"


def row(x: float, y: float, call: str, rate: Spread, most: float, colours: Colours) -> list[str]:
    start = x + NAMES
    unit = (COLUMN - NAMES - FIGURES) / most
    width = max(1.5, rate.median * unit)
    middle = y + BAR / 2 + 4
    ours = colour_of(call, colours) == colours.ours
    name = text(
        start - 8, middle, call, colours.text if ours else colours.faint, more=' text-anchor="end"'
    )
    bar = (
        f'<rect x="{start:.1f}" y="{y:.1f}" width="{width:.1f}" height="{BAR}" rx="2" '
        f'fill="{colour_of(call, colours)}"/>'
    )
    line = (
        f'<path d="M{start + rate.least * unit:.1f} {y + BAR / 2:.1f}'
        f'H{start + rate.most * unit:.1f}" stroke="{colours.text}" stroke-width="1.5"/>'
    )
    end = start + max(width, rate.most * unit)
    return [name, bar, line, text(end + 6, middle, rate_text(rate.median), colours.text)]


def panel(
    x: float, y: float, direction: str, size: int, rates: dict[str, Spread], colours: Colours
) -> list[str]:
    most = max(rate.most for rate in rates.values())
    title = f"{TITLES[direction]}, {size} bytes"
    drawn = [text(x + NAMES, y + 12, title, colours.text, 13, ' font-weight="600"')]
    top = y + PANEL_HEAD - 8
    for place, (call, rate) in enumerate(rates.items()):
        drawn += row(x, top + place * ROW, call, rate, most, colours)
    end = top + len(rates) * ROW - (ROW - BAR) + 3
    drawn.append(
        f'<path d="M{x + NAMES:.1f} {top - 3:.1f}V{end:.1f}" stroke="{colours.faint}" '
        'stroke-opacity="0.6"/>'
    )
    return drawn


def legend(colours: Colours, has_peer: bool) -> list[str]:
    entries = [("wintun", colours.ours), ("the same loop in C, with a copy", colours.native)]
    if has_peer:
        entries.append(("pytun-pmd3 3.0.3", colours.peer))
    drawn, x = [], float(MARGIN)
    for name, colour in entries:
        drawn.append(f'<rect x="{x:.0f}" y="63" width="12" height="12" rx="2" fill="{colour}"/>')
        drawn.append(text(x + 18, 73, name, colours.text))
        x += 18 + 6.4 * len(name) + 24
    return drawn


def rates_of(results: Sequence[Starts[Result]], direction: str, size: int) -> dict[str, Spread]:
    found = {
        row.key.call: row.over(lambda r: 1e9 / r.ns)
        for row in results
        if row.key[:3] == ("pipeline", direction, size)
    }
    return {call: found[call] for call in CALLS[direction] if call in found}


def draw(results: Sequence[Starts[Result]], subtitle: str, theme: str) -> str:
    """Draws what was received and sent in the pipeline."""
    colours, y, drawn = THEMES[theme], float(HEAD), []
    has_peer = any(row.key.call.startswith("pytun-pmd3") for row in results)
    for direction in CALLS:
        columns = [rates_of(results, direction, size) for size in SIZES]
        if not all(columns):
            continue
        for place, (size, rates) in enumerate(zip(SIZES, columns)):
            drawn += panel(MARGIN + place * (COLUMN + BETWEEN), y, direction, size, rates, colours)
        y += PANEL_HEAD + max(map(len, columns)) * ROW + PANEL_GAP
    height = y - PANEL_GAP + 6
    title = "Packets a second through the rings (longer is better; lines: least to most)"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
            f'width="{WIDTH}" height="{height:.0f}" font-family="{FONT}" role="img">',
            f"<title>{escape(title)}</title>",
            text(MARGIN, 28, title, colours.text, 17, ' font-weight="600"'),
            text(MARGIN, 48, subtitle, colours.faint),
            *legend(colours, has_peer),
            *drawn,
            "</svg>\n",
        ]
    )
