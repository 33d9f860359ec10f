"""The picture in the README: bars of requests per second, as SVG without a library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import escape

PICTURE = Path(__file__).parent.parent / "docs" / "benchmarks.svg"
WIDTH, LEFT, RIGHT = 860, 190, 150
TOP, BAR, GAP = 74, 15, 14
STYLE = """\
<style>
.paper { fill: #ffffff } .text { fill: #222233 } .faint { fill: #555566 }
.bar0 { fill: #2f6db5 } .bar1 { fill: #b9bfca }
@media (prefers-color-scheme: dark) {
  .paper { fill: #15181e } .text { fill: #e8eaf0 } .faint { fill: #a6acb8 }
  .bar0 { fill: #5b9be6 } .bar1 { fill: #5a6170 }
}
</style>"""


def draw(who: Sequence[str], bars: Mapping[str, Sequence[float]], database: str) -> None:
    """Of each case: the number for each of `who`, the first of whom is compared with the last."""
    PICTURE.write_text(picture(who, bars, f"{datetime.now(UTC):%Y-%m-%d}, {database}"))


def picture(who: Sequence[str], bars: Mapping[str, Sequence[float]], measured: str) -> str:
    group = BAR * len(who) + GAP
    height = TOP + group * len(bars) + 8
    most = max(value for values in bars.values() for value in values)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'font-family="sans-serif" font-size="13" aria-label="{escape(_said(who, bars))}">',
        STYLE,
        f'<rect class="paper" width="{WIDTH}" height="{height}" rx="8"/>',
        _text(20, 28, "Requests per second", "text", ' font-size="16"'),
        _text(WIDTH - 20, 28, measured, "faint", ' text-anchor="end" font-size="12"'),
        *_legend(who),
    ]
    for row, (name, values) in enumerate(bars.items()):
        top = TOP + row * group
        middle = top + BAR * len(who) / 2 + 4
        parts.append(_text(LEFT - 10, middle, name, "text", ' text-anchor="end"'))
        for n, value in enumerate(values):
            length = max(1.0, value / most * (WIDTH - LEFT - RIGHT))
            y = top + n * BAR
            parts.append(
                f'<rect class="bar{n}" x="{LEFT}" y="{y}" width="{length:.1f}" '
                f'height="{BAR - 2}" rx="2"/>'
            )
            said = f"{value:,.0f}" + (f"  ({values[0] / values[-1]:.1f} x)" if n == 0 else "")
            parts.append(_text(LEFT + length + 6, y + BAR - 4, said, "faint", ' font-size="12"'))
    return "\n".join([*parts, "</svg>", ""])


def _legend(who: Sequence[str]) -> list[str]:
    parts = []
    for n, name in enumerate(who):
        x = LEFT + 150 * n
        parts.append(f'<rect class="bar{n}" x="{x}" y="44" width="12" height="12" rx="2"/>')
        parts.append(_text(x + 18, 55, name, "faint", ' font-size="12"'))
    return parts


def _text(x: float, y: float, said: str, kind: str, more: str) -> str:
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}"{more}>{escape(said)}</text>'


def _said(who: Sequence[str], bars: Mapping[str, Sequence[float]]) -> str:
    """For those who cannot see it."""
    cases = [
        f"{name}: " + ", ".join(f"{one} {value:,.0f}" for one, value in zip(who, each, strict=True))
        for name, each in bars.items()
    ]
    return "Requests per second. " + "; ".join(cases)
