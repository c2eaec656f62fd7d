"""From a result to its chart: `CHARTS` names what is shown of each bench, `draw` makes an SVG of it with matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

OURS = "#c2410c"
OTHERS = "#64748b"
PANEL_INCHES = 4.0
NAMES_INCHES = 2.0


class Bars(NamedTuple):
    """Horizontal bars, in this order; those in `ours` are coloured."""

    title: str
    values: Mapping[str, float]
    ours: Sequence[str] = ()


class Lines(NamedTuple):
    """Curves over a common axis, logarithmic where `is_log`."""

    title: str
    across: str
    points: Mapping[str, Sequence[tuple[float, float]]]
    is_log: bool = False


Panel = Bars | Lines


def draw(panels: Sequence[Panel], source: str, path: Path) -> None:
    """The panels side by side, and under them where the numbers come from."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # letters stay letters, and the same result is the same file
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "clickledger", "font.size": 10}):
        height = max(len(panel.values) if isinstance(panel, Bars) else 8 for panel in panels)
        figure = Figure(
            figsize=(NAMES_INCHES + PANEL_INCHES * len(panels), 1.4 + 0.32 * height), layout="constrained"
        )
        for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            axes.set_title(panel.title, loc="left", fontsize=11)
            axes.spines[["top", "right"]].set_visible(False)
            _draw_bars(axes, panel) if isinstance(panel, Bars) else _draw_lines(axes, panel)
            if panel is not panels[0] and is_of_the_same(panel, panels[0]):
                axes.set_yticklabels([])  # the names stand on the left already
        figure.supxlabel(source, fontsize=8, color=OTHERS)
        figure.savefig(path, metadata={"Date": None})


def is_of_the_same(panel: Panel, first: Panel) -> bool:
    """Whether both are bars of the same things."""
    return isinstance(panel, Bars) and isinstance(first, Bars) and list(panel.values) == list(first.values)


def _draw_bars(axes: Any, panel: Bars) -> None:
    names = list(panel.values)
    colours = [OURS if name in panel.ours else OTHERS for name in names]
    bars = axes.barh(names, list(panel.values.values()), color=colours)
    axes.bar_label(bars, fmt=_written, padding=3)
    axes.margins(x=0.15)
    axes.invert_yaxis()
    axes.xaxis.set_visible(False)
    axes.spines[["bottom"]].set_visible(False)


def _written(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _draw_lines(axes: Any, panel: Lines) -> None:
    for name, points in panel.points.items():
        axes.plot(*zip(*points, strict=True), marker="o", label=name)
    if panel.is_log:
        axes.set_xscale("log")
    axes.set_xlabel(panel.across)
    axes.margins(y=0.2)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)


def _redirect(result: Any) -> list[Panel]:
    rows = sorted(result["servers"], key=lambda row: -row["per_s"])
    ours = [row["server"] for row in rows if "front end" in row["server"]]
    return [
        Bars("Redirects a second, one core", {row["server"]: row["per_s"] for row in rows}, ours),
        Bars("p99 at half of that rate, ms", {row["server"]: row["p99_ms"] for row in rows}, ours),
        Bars("CPU time a request, µs", {row["server"]: row["cpu_us"] for row in rows}, ours),
    ]


def _postback(result: Any) -> list[Panel]:
    values = {"redirects": result["redirect_per_s"], "postbacks": result["postback_per_s"]}
    return [Bars("Answers a second, one core", values, list(values))]


def _flush(result: Any) -> list[Panel]:
    values = {"raw COPY": result["copy_rows_per_s"], "the writer": result["writer_rows_per_s"]}
    return [Bars("Clicks a second into PostgreSQL", values, ["the writer"])]


def _attribute(result: Any) -> list[Panel]:
    values = {"raw COPY": result["copy_touches_per_s"], "the attributor": result["attributor_touches_per_s"]}
    return [Bars("Touches a second into PostgreSQL", values, ["the attributor"])]


def _stats(result: Any) -> list[Panel]:
    rows = result["endpoints"]
    panels: list[Panel] = []
    for place in ("p50", "p99"):
        values = {row["endpoint"]: row[f"{place}_ms"] for row in rows}
        panels.append(Bars(f"{place} under eight readers, ms", values, list(values)))
    return panels


def _endtoend(result: Any) -> list[Panel]:
    steps = result["steps"]
    across = "clicks a second, all on one machine"
    return [
        Lines("From the last click to its row, s", across, {"lag": [(row["per_s"], row["lag_s"]) for row in steps]}),
        Lines("What visitors waited, ms", across, {name: [(row["per_s"], row[f"{name}_ms"]) for row in steps] for name in ("p50", "p99")}),
    ]  # fmt: skip


def _growth(result: Any) -> list[Panel]:
    by_links = {
        name: [(row["links"], row[key]) for row in result["links"]]
        for name, key in (("door", "cpu_us"), ("Redis", "redis_us"))
    }
    by_stored = {
        name: [(row["stored"], row[key]) for row in result["stored"]]
        for name, key in (("writer", "writer_us"), ("PostgreSQL", "postgres_us"))
    }
    return [
        Lines("CPU time a click, µs", "links", by_links, is_log=True),
        Lines("CPU time a click, µs", "clicks stored before", by_stored, is_log=True),
    ]


def _footprint(result: Any) -> list[Panel]:
    bars = result["bars"]
    return [
        Bars("Door ready after, s", {"measured": result["ready_s"], "bar": bars["ready_s"]}, ["measured"]),
        Bars("Memory of a door, MB", {
            "just started": result["memory_at_start_mb"], f"{result['hot']:,} links hot": result["memory_mb"],
            "bar": bars["memory_mb"],
        }, ["just started", f"{result['hot']:,} links hot"]),
    ]  # fmt: skip


CHARTS: dict[str, Callable[[Any], list[Panel]]] = {
    "redirect": _redirect,
    "postback": _postback,
    "flush": _flush,
    "attribute": _attribute,
    "stats": _stats,
    "endtoend": _endtoend,
    "growth": _growth,
    "footprint": _footprint,
}
