"""One HTML file a calibration: numbers, pictures, warnings; nothing is loaded from elsewhere."""

from __future__ import annotations

import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; color: #222 }
table { border-collapse: collapse } td, th { padding: .15rem .8rem .15rem 0; text-align: left }
figure { margin: 1.5rem 0 } figcaption { color: #555 } svg { max-width: 100%; height: auto }
.refused { background: #fde8e8; border-left: 4px solid #c0392b; padding: .5rem 1rem }
.warning { background: #fff6db; border-left: 4px solid #d4a017; padding: .5rem 1rem }
"""


@dataclass(frozen=True)
class ReportFigure:
    """A figure and what it shows."""

    caption: str
    figure: Figure


def page(
    title: str,
    numbers: Mapping[str, str],
    pictures: Sequence[ReportFigure],
    problems: Sequence[str],
    warnings: Sequence[str],
) -> str:
    """A report as one HTML page.

    ``numbers`` is a table of names and values; problems and warnings are listed above it.
    """
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
        for name, value in numbers.items()
    )
    notes = [f'<p class="refused">Over its limits: {html.escape(p)}</p>' for p in problems]
    notes += [f'<p class="warning">{html.escape(w)}</p>' for w in warnings]
    figures = "".join(
        f"<figure>{_svg(p.figure)}<figcaption>{html.escape(p.caption)}</figcaption></figure>"
        for p in pictures
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}'
        f"</title><style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1>"
        f"{''.join(notes)}<table>{rows}</table>{figures}</body></html>\n"
    )


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", bbox_inches="tight")
    return text.getvalue()[text.getvalue().index("<svg") :]
