"""The picture of docs/benchmarks.md: horizontal bars as one SVG, readable on light and on dark pages."""

from collections.abc import Iterable, Sequence
from html import escape

from tests.benchmarks.figures import LIMIT, OURS, RQ, Figure, shown

WIDTH, LEFT, RIGHT = 760, 250, 110
BAR, GAP, TITLE = 20, 8, 44
KINDS = {OURS: "ours", LIMIT: "limit", RQ: "rq"}
TITLES = {"runs/s": "No-op flow runs per second (longer is better)", "ms": "Milliseconds (shorter is better)"}
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 14px }
.value { font-variant-numeric: tabular-nums }
.ours { fill: #0969da } .limit { fill: #8c959f } .rq { fill: #bc4c00 }
.spread { stroke: #1f2328; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .spread { stroke: #e6edf3 }
  .ours { fill: #58a6ff } .limit { fill: #6e7681 } .rq { fill: #f0883e }
}
"""


def picture(figures: Sequence[Figure]) -> str:
    """One block of bars per unit, in the order the figures come; the thin line on a bar is its spread."""
    parts, y = [_legend(20)], 36
    for unit in dict.fromkeys(figure.unit for figure in figures):
        block = [figure for figure in figures if figure.unit == unit]
        parts += _block(TITLES.get(unit, unit), block, y)
        y += TITLE + len(block) * (BAR + GAP)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + GAP}" role="img">'
    return "\n".join([head, f"<style>{STYLE}</style>", *parts, "</svg>", ""])


def _legend(y: int) -> str:
    parts = []
    for number, (name, kind) in enumerate(KINDS.items()):
        x = LEFT + number * 150
        parts.append(f'<rect class="{kind}" x="{x}" y="{y - 11}" width="12" height="12" rx="2"/>')
        parts.append(f'<text x="{x + 18}" y="{y}">{escape(name)}</text>')
    return "\n".join(parts)


def _block(title: str, figures: Sequence[Figure], top: int) -> Iterable[str]:
    longest = max(max(figure.value, figure.high or 0) for figure in figures)
    scale = (WIDTH - LEFT - RIGHT) / (longest or 1)
    yield f'<text class="title" x="12" y="{top + 26}">{escape(title)}</text>'
    for number, figure in enumerate(figures):
        yield _bar(figure, top + TITLE - GAP + number * (BAR + GAP), scale)


def _bar(figure: Figure, y: int, scale: float) -> str:
    middle, end = y + BAR / 2, LEFT + figure.value * scale
    parts = [
        f'<text x="{LEFT - 10}" y="{y + 15}" text-anchor="end">{escape(figure.name)}</text>',
        f'<rect class="{KINDS[figure.whose]}" x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{BAR}" rx="2"/>',
    ]
    if figure.low is not None and figure.high is not None:
        low, high = LEFT + max(figure.low, 0) * scale, LEFT + figure.high * scale
        parts.append(f'<path class="spread" d="M{low:.1f} {middle}H{high:.1f}"/>')
        end = max(end, high)
    parts.append(f'<text class="value" x="{end + 8:.1f}" y="{y + 15}">{shown(figure.value)} {figure.unit}</text>')
    return "\n".join(parts)
