"""One page that tells of replays; all that it shows is in the file itself."""

from __future__ import annotations

import base64
import html
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from pushcell.replay.pictures import Image
from pushcell.replay.result import ReplayResult

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1180px; padding: 0 1rem }
table { border-collapse: collapse; margin: .5rem 0 1rem } td, th { padding: .2rem .7rem;
text-align: right; border-bottom: 1px solid #8884 } td:first-child, th:first-child, td.text {
text-align: left } img, video { max-width: 100%; vertical-align: top } .bad { color: #c22 }
code { font-size: 13px } .side { display: flex; gap: 1rem; flex-wrap: wrap }
@media (prefers-color-scheme: dark) { body { background: #16181c; color: #ddd } }
"""


@dataclass(frozen=True)
class ReportPage:
    """One recording's part of the report."""

    name: str
    outcomes: Sequence[ReplayResult]
    picture: Image | None
    video: bytes
    plots: bytes


def first_page(name: str, picture: Image | None) -> str:
    """What is shown while the replay runs: the first picture; it loads itself again."""
    body = f"<h1>{html.escape(name)}</h1><p>being replayed</p>{_image(_png(picture))}"
    return _document(f'<meta http-equiv="refresh" content="2">{body}')


def report(pages: Sequence[ReportPage], refused: Mapping[str, str]) -> str:
    """The page's text."""
    parts = ["<h1>Replay</h1>"]
    outcomes = [outcome for page in pages for outcome in page.outcomes]
    if len(pages) > 1 or refused:
        parts.append(_summary(outcomes))
    parts += [
        f'<p class="bad">{html.escape(name)} was refused: {html.escape(why)}</p>'
        for name, why in refused.items()
    ]
    parts += [_recording(page) for page in pages]
    return _document("\n".join(parts))


def encoded_video(write: Any) -> bytes:
    """What a function writes into a file that it is given; empty where it writes none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "replay.mp4"
        return path.read_bytes() if write(path) else b""


def _recording(page: ReportPage) -> str:
    first = page.outcomes[0]
    figures = [outcome.figures() for outcome in page.outcomes]
    parts = [f"<h2>{html.escape(page.name)}</h2>", '<div class="side">', _image(_png(page.picture))]
    if page.video:
        parts.append(f'<video controls loop muted src="{_data("video/mp4", page.video)}"></video>')
    parts += ["</div>", _image(page.plots), _summary(page.outcomes)]
    parts.append(_stops(page.outcomes))
    parts.append(_latency(page.outcomes, figures))
    rows = [(what, count) for what, count in sorted(first.messages.items())]
    parts.append(_table("messages", ("what", "read"), rows))
    left = first.left_out.most_common()
    parts.append(
        _table("left out", ("what", "how many"), left) if left else "<p>Nothing left out.</p>"
    )
    if first.missing:
        parts.append(_table("not there", ("what", "why"), list(first.missing.items())))
    if first.quality is not None:
        reasons = "; ".join(first.quality.reasons) or "nothing against it"
        parts.append(f"<p>Quality: <b>{first.quality.verdict}</b>, {html.escape(reasons)}.</p>")
        measures = [(k.replace("_", " "), f"{v:.4g}") for k, v in first.quality.measures.items()]
        parts.append(_table("quality", ("measure", "value"), measures))
    notes = [note for o in page.outcomes for note in (o.nothing_done, *o.notes) if note]
    parts += [f"<p>{html.escape(note)}</p>" for note in notes]
    return "\n".join(parts)


def _summary(outcomes: Sequence[ReplayResult]) -> str:
    rows = []
    for outcome in outcomes:
        figures = outcome.figures()
        errors, live = figures["error_m"], figures["live"]
        rows.append(
            (
                outcome.recording,
                outcome.title,
                f"{outcome.duration_s:.1f}",
                len(outcome.chunks),
                _mm(errors[0]) if errors else "-",
                _mm(errors[-1]) if errors else "-",
                _mm((figures["consistency_m"] or {}).get("p50")),
                _mm((figures["motion_deviation_m"] or {}).get("p95")),
                len(outcome.stops),
                sum(outcome.left_out.values()),
                f"{live['matched']} of {live['published']}, {_mm(live['max_m'])}" if live else "-",
                outcome.digest[:16],
            )
        )
    heads = (
        "recording", "policy", "s", "chunks", "first step [mm]", "last step [mm]",
        "consistency p50 [mm]", "motion p95 [mm]", "stops", "left out",
        "as live, largest difference [mm]", "digest",
    )  # fmt: skip
    return _table("figures", heads, rows)


def _stops(outcomes: Sequence[ReplayResult]) -> str:
    rows = [
        (outcome.title, f"{stop.time_s - outcome.start_s:.2f}", stop.source, stop.reason,
         "ends the turn" if stop.ended_turn else "goes on by itself")
        for outcome in outcomes
        for stop in outcome.stops
    ]  # fmt: skip
    if not rows:
        return "<p>Nothing would have been stopped.</p>"
    return _table("stops", ("policy", "time [s]", "source", "why", ""), rows)


def _latency(outcomes: Sequence[ReplayResult], figures: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (outcome.title, stage, *(f"{d[key]:.1f}" for key in ("p50", "p95", "p99", "max")))
        for outcome, values in zip(outcomes, figures, strict=True)
        for stage, d in values["latency_ms"].items()
    ]
    if not rows:
        return ""
    heads = ("policy", "stage", "p50 [ms]", "p95 [ms]", "p99 [ms]", "max [ms]")
    return _table("latency budget, virtual time", heads, rows)


def _table(title: str, heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    head = "".join(f"<th>{html.escape(text)}</th>" for text in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row) + "</tr>"
        for row in rows
    )
    return f"<h3>{html.escape(title)}</h3><table><tr>{head}</tr>{body}</table>"


def _mm(value: float | None) -> str:
    return "-" if value is None else f"{1e3 * value:.3g}"


def _png(picture: Image | None) -> bytes:
    if picture is None:
        return b""
    return cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()


def _image(png: bytes) -> str:
    return f'<img alt="" src="{_data("image/png", png)}">' if png else ""


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _document(body: str) -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>pushcell replay</title>'
        '<meta name="viewport" content="width=device-width"><style>'
        f"{_STYLE}</style><body>{body}</body></html>\n"
    )
