"""Figures in rows: medians, maxima, and ratios between contenders of one run."""

import statistics


def spread(values):
    """Median and maximum as text."""
    return f"{statistics.median(values):.0f} / {max(values):.0f}" if values else "none"


def ratio(peer, own):
    """How many times the peer's median is of ours."""
    return f"{statistics.median(peer) / statistics.median(own):.1f}" if peer and own else "-"


def show(head, rows):
    """Prints a Markdown table with columns in line."""
    widths = [max(len(str(row[column])) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, ["-" * width for width in widths], *rows]:
        print("| " + " | ".join(str(cell).ljust(width) for cell, width in zip(row, widths)) + " |", flush=True)
