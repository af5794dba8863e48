"""The aims as a picture: an SVG with a bar for each, drawn without any library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.aims import Result

WIDTH, LEFT, RIGHT = 860, 330, 190
ROW, TOP = 30, 64
#: How far the axis goes to both sides of the aim, as powers of two.
REACH = 3
TICKS = ("⅛", "¼", "½", "aim", "2 ×", "4 ×", "8 ×")

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.small { font-size: 11px; fill: #57606a }
.yes { fill: #2da44e } .no { fill: #cf7a1c }
.grid { stroke: #d0d7de } .aim { stroke: #24292f; stroke-width: 2 }
.paper { fill: #fff }
"""


def svg(found: Sequence[Result]) -> str:
    """Draw how much of each aim is reached, on a logarithmic axis with the aim as a line."""
    shown = [result for result in found if result.ratio is not None]
    height = TOP + ROW * len(shown) + 20
    bottom = height - 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>What is reached of each aim</title><style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
        '<text x="12" y="24">channels-classic against its aims (a longer bar is better)</text>',
    ]
    for power, tick in enumerate(TICKS, -REACH):
        x = _x(2.0**power)
        kind = "aim" if power == 0 else "grid"
        parts += [
            f'<text class="small" x="{x:.0f}" y="{TOP - 14}" text-anchor="middle">{tick}</text>',
            f'<line class="{kind}" x1="{x:.0f}" x2="{x:.0f}" y1="{TOP - 8}" y2="{bottom}"/>',
        ]
    for row, result in enumerate(shown):
        parts += _bar(TOP + ROW * row, result)
    return "\n".join([*parts, "</svg>", ""])


def _bar(y: int, result: Result) -> list[str]:
    aim, ratio = result.aim, result.ratio
    assert ratio is not None
    end = _x(aim.share(ratio))
    sign = "≤" if aim.at_most else "≥"
    label = f"{ratio:.2f} × (aim {sign} {aim.bound:g} ×)"
    kind = "yes" if result.holds else "no"
    return [
        f'<text x="{LEFT - 10}" y="{y + 17}" text-anchor="end">{escape(aim.work)}</text>',
        f'<rect class="{kind}" x="{LEFT}" y="{y + 4}" width="{end - LEFT:.0f}" height="18" rx="2">'
        f"<title>{escape(f'{aim.work}, against {aim.against}: {label}')}</title></rect>",
        f'<text class="small" x="{WIDTH - RIGHT + 10}" y="{y + 17}">{escape(label)}</text>',
    ]


def _x(share: float) -> float:
    """Return where a share of an aim lies; what is off the axis lies at its end."""
    power = max(-REACH + 0.05, min(math.log2(share), REACH))
    return LEFT + (power + REACH) / (2 * REACH) * (WIDTH - LEFT - RIGHT)
