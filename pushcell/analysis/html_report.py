"""An analysis as one HTML file, with its pictures in it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

Figures = dict[str, Any]
_PROBE_TITLES = (
    "feature", "probe", "accuracy", "95 %, windows", "windows", "95 %, episodes", "episodes",
)  # fmt: skip
_STYLE = (
    "body{font-family:sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.3em .7em;text-align:right}"
    "td:first-child,th:first-child{text-align:left}img{max-width:100%}"
)


def html_report(figures: Figures, pictures: Mapping[str, bytes]) -> str:
    """The page; pictures are PNG files by their names."""
    nearest = figures["nearest"]
    sources = " + ".join(figures["sources"])
    parts = [
        _paragraph(
            f"Checkpoint {figures['checkpoint']}, step {figures['step']}. The target set is "
            f"{figures['target']}, the source is {sources}."
        ),
        "<h2>Does the policy tell the domains apart?</h2>",
        _paragraph(
            "A probe is trained to read from a feature of the policy whether a window is of the "
            "target set, and judged on other episodes with as many windows of either domain: 50 % "
            "is chance. The first 95 % interval takes each of these windows as a trial, though "
            "those of one episode resemble each other; the second takes each episode as one."
        ),
        _table(_PROBE_TITLES, probe_rows(figures)),
        "<h2>Embeddings</h2>",
        _image("embeddings", pictures),
        "<h2>Action error</h2>",
        _paragraph("The mean distance of the policy's actions from the demonstrated ones."),
        _table(("data set", "error", "windows", "episodes"), error_rows(figures)),
        "<h2>Nearest demonstrations</h2>",
        _paragraph(
            "Along one episode of the target set: the policy's chunk, and the nearest demonstrated "
            "chunks, each with the slider at its own window. The distance is the mean one between "
            "actions."
        ),
        _image("nearest", pictures),
        _paragraph(
            f"Of {nearest['windows']} windows of the target set, {nearest['share_of_source']:.0%} "
            f"have their nearest chunk in the source, which has "
            f"{nearest['source_share_of_searched']:.0%} of the chunks that are searched."
        ),
        "<h2>Notes</h2>" if figures["notes"] else "",
        *map(_paragraph, figures["notes"]),
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Analysis</title>'
        f"<style>{_STYLE}</style><h1>What a policy has learned</h1>{''.join(parts)}</html>\n"
    )


def probe_rows(figures: Figures) -> list[tuple[str, ...]]:
    """Of the table of probes, as texts."""
    return [
        (
            one["features"],
            one["probe"],
            f"{one['accuracy']:.1%}",
            "{:.1%} to {:.1%}".format(*one["wilson95"]),
            str(one["windows"]),
            "{:.1%} to {:.1%}".format(*one["wilson95_of_episodes"]),
            str(one["episodes"]),
        )
        for one in figures["probes"]
    ]


def error_rows(figures: Figures) -> list[tuple[str, ...]]:
    """Of the table of action errors, as texts."""
    return [
        (
            one["data_set"],
            f"{one['action_error']:.2f} {figures['unit']}",
            str(one["windows"]),
            "held out" if one["unseen"] else "trained on",
        )
        for one in figures["errors"]
    ]


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str], kind: str) -> str:
        return "<tr>" + "".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in cells) + "</tr>"

    return f"<table>{line(titles, 'th')}{''.join(line(row, 'td') for row in rows)}</table>"


def _image(name: str, pictures: Mapping[str, bytes]) -> str:
    data = base64.b64encode(pictures[name]).decode("ascii")
    return f'<img alt="{name}" src="data:image/png;base64,{data}">'
