"""Plots the measurements of `compare`: one SVG for each table, beside its CSV."""

import csv
import pathlib
import sys
from collections import defaultdict

import matplotlib

matplotlib.use("svg")
# Keep text as text, and write the same bytes for the same figures.
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "tradeblotter", "font.size": 9})
from matplotlib import pyplot  # noqa: E402


def rows(directory, name):
    with open(directory / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def bars(axes, groups, title, unit):
    """Draws a group of bars at each place, one bar for each name: {name: {place: value}}."""
    places = list(dict.fromkeys(place for values in groups.values() for place in values))
    width = 0.8 / len(groups)
    for number, (name, values) in enumerate(groups.items()):
        at = [index - 0.4 + width * (number + 0.5) for index in range(len(places))]
        drawn = axes.bar(at, [values.get(place, 0) for place in places], width, label=name)
        axes.bar_label(drawn, [short(bar.get_height()) for bar in drawn], fontsize=6)
    axes.set_xticks(range(len(places)), places)
    axes.set_title(title)
    axes.set_ylabel(unit)
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))


def short(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def grouped(table, name, place, value):
    groups = defaultdict(dict)
    for row in table:
        groups[row[name]][place(row)] = float(row[value])
    return groups


def clients(row):
    return f"{row['clients']} at a time"


def save(figure, directory, name):
    figure.tight_layout()
    figure.savefig(directory / f"{name}.svg", metadata={"Date": None})
    pyplot.close(figure)


def lifecycle(directory):
    table = [row for row in rows(directory, "lifecycle") if row["orders stored"] == "0"]
    if not table:
        return
    figure, (rate, wait) = pyplot.subplots(2, 1, figsize=(9, 7))
    bars(rate, grouped(table, "by", clients, "lifecycles/s"), "Lifecycles", "per second")
    bars(wait, grouped(table, "by", clients, "p99 ms"), "99th percentile", "ms (p99)")
    save(figure, directory, "lifecycle")


def batch(directory):
    table = [row for row in rows(directory, "batch") if row["orders stored"] == "0"]
    if not table:
        return
    figure, axes = pyplot.subplots(figsize=(10, 4))
    axes.set_yscale("log")
    groups = grouped(table, "by", lambda row: f"{row['rows']}\n{clients(row)}", "rows/s")
    bars(axes, groups, "Rows written 1,000 at a time", "per second")
    save(figure, directory, "batch")


def reads(directory):
    table = rows(directory, "reads")
    if not table:
        return
    largest = max(int(row["orders stored"]) for row in table)
    table = [
        {**row, "row security": f"row security {row['row security']}"}
        for row in table
        if int(row["orders stored"]) == largest and row["clients"] == "1"
    ]
    figure, axes = pyplot.subplots(figsize=(10, 4))
    groups = grouped(table, "row security", lambda row: row["read"].replace(" of ", "\nof "), "p50 ms")
    bars(axes, groups, f"Reads of a trader, {largest:,} orders stored", "ms (p50)")
    save(figure, directory, "reads")


def growth(directory):
    figure, axes = pyplot.subplots(figsize=(7, 4))
    lines = defaultdict(dict)
    for row in rows(directory, "reads"):
        if row["clients"] == "1" and row["row security"] == "on":
            lines[row["read"]][int(row["orders stored"])] = float(row["p50 ms"])
    for name in ["lifecycle", "batch"]:
        for row in rows(directory, name):
            if row["orders stored"] != "0":
                called = "batch of 1,000 fills" if name == "batch" else name
                lines[called][int(row["orders stored"])] = float(row["p50 ms"])
    if not lines:
        return
    for name, points in lines.items():
        axes.plot(list(points), list(points.values()), marker="o", label=name)
    axes.set(xscale="log", yscale="log", xlabel="orders stored", ylabel="ms (p50)", title="Growth")
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, directory, "growth")


def export(directory):
    table = rows(directory, "export")
    if not table:
        return
    figure, axes = pyplot.subplots(figsize=(7, 4))
    groups = grouped(table, "by", lambda row: f"{int(row['orders stored']):,} orders", "rows/s")
    bars(axes, groups, "Export of the log", "rows per second")
    save(figure, directory, "export")


def disk(directory):
    table = [row for row in rows(directory, "disk") if row["table"] != "all"]
    if not table:
        return
    figure, axes = pyplot.subplots(figsize=(7, 4))
    groups = defaultdict(dict)
    for row in table:
        for part in ["table", "index"]:
            place = f"{int(row['orders stored']):,} orders"
            groups[f"{row['table']}, {part}"][place] = float(row[f"{part} bytes/order"])
    bars(axes, groups, "Space on disk", "bytes per order")
    save(figure, directory, "disk")


for draw in [lifecycle, batch, reads, growth, export, disk]:
    draw(pathlib.Path(sys.argv[1]))
