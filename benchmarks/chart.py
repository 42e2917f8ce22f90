"""The figures of the rings as an SVG drawing: packets a second, a bar for each call."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from .rings import Result

WIDTH, LEFT, RIGHT, BAR, GAP, TOP = 860, 230, 110, 18, 6, 64
GROUP_HEAD = 34
COLOURS = {"C loop": "#9aa0a6", "pytun-pmd3": "#d98c3f"}
OURS = "#2f6fb3"


def text(x: float, y: float, content: str, anchor: str = "start", size: int = 13) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}">'
        f"{escape(content)}</text>"
    )


def bar(y: float, width: float, colour: str) -> str:
    return f'<rect x="{LEFT}" y="{y:.0f}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>'


def colour_of(call: str) -> str:
    return next((colour for name, colour in COLOURS.items() if call.startswith(name)), OURS)


def rate_text(rate: float) -> str:
    return f"{rate / 1e6:.2f} million" if rate >= 1e5 else f"{rate:,.0f}"


def draw(results: Sequence[Result], sizes: Sequence[int], situation: str, subtitle: str) -> str:
    """Draws what was received and sent, of the given sizes."""
    rows: list[str] = []
    y = float(TOP)
    for direction in ("receive", "send"):
        for size in sizes:
            group = [
                row
                for row in results
                if (row.situation, row.direction, row.size) == (situation, direction, size)
            ]
            if not group:
                continue
            most = max(1e9 / row.ns for row in group)
            y += GROUP_HEAD
            rows.append(text(LEFT, y - 10, f"{direction}, {size} bytes", size=14))
            for row in group:
                rate = 1e9 / row.ns
                width = max(1.0, rate / most * (WIDTH - LEFT - RIGHT))
                rows.append(text(LEFT - 8, y + BAR - 4, row.call, "end"))
                rows.append(bar(y, width, colour_of(row.call)))
                rows.append(text(LEFT + width + 6, y + BAR - 4, rate_text(rate), size=12))
                y += BAR + GAP
    title = f"Packets a second, {situation} (longer is better)"
    head = [text(16, 26, title, size=18), text(16, 48, subtitle, size=12)]
    height = y + 16
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
            f'width="{WIDTH}" height="{height:.0f}" font-family="sans-serif" fill="#202124">',
            f'<rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>',
            *head,
            *rows,
            "</svg>\n",
        ]
    )
