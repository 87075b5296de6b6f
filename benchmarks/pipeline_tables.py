"""What `benchmarks.alarm_pipeline` showed, as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.alarm_tables import table
from benchmarks.pipeline_faults import FAULTS

Record = Mapping[str, Any]
_SHOWN = 4


def false_pages(records: Sequence[Record]) -> str:
    """Return what paged while nothing was wrong, a row a kind."""
    rows = []
    for kind in dict.fromkeys(r["kind"] for r in records):
        own = [r for r in records if r["kind"] == kind]
        pages = [p for r in own for p in r["pages"]]
        months = sum(r["months"] for r in own)
        sources = Counter(s for p in pages for s in {c[2] for c in p["checks"]})
        names = Counter(k for p in pages for k in {c[0] for c in p["checks"]})
        rows.append(
            [kind, str(len(own)), f"{months:.1f}", str(len(pages)), f"{len(pages) / months:.2f}",
             ", ".join(f"{s} {n}" for s, n in sources.most_common()),
             ", ".join(f"{k} {n}" for k, n in names.most_common(_SHOWN))]
        )  # fmt: skip
    every = sum(len(r["pages"]) for r in records)
    months = sum(r["months"] for r in records)
    rows.append(["all", str(len(records)), f"{months:.1f}", str(every), f"{every / months:.2f}"])
    rows[-1] += ["", ""]
    head = ["kind", "streams", "months", "pages", "per 30 days", "pages by threshold from",
            "checks that paged most often"]  # fmt: skip
    return table(head, rows)


def detection(records: Sequence[Record]) -> str:
    """Return after how many windows each fault pages, and by which families, a row a fault."""
    kinds = list(dict.fromkeys(r["kind"] for r in records))
    rows = []
    for fault in FAULTS:
        row = [fault]
        for kind in kinds:
            own = [r for r in records if r["kind"] == kind and r["fault"] == fault]
            after = ", ".join("never" if r["after"] is None else str(r["after"]) for r in own)
            first = dict.fromkeys(f for r in own for f in r["families"])
            later = dict.fromkeys(f for r in own for f in r["all"] if f not in first)
            row += [after or "-", ", ".join(first), ", ".join(later)]
        rows.append(row)
    head = ["fault"]
    for kind in kinds:
        head += [f"{kind}: windows to the page", "families in it", "joined later"]
    return table(head, rows)


def print_all(records: Sequence[Record]) -> None:
    """Print every table."""
    stable = [r for r in records if "pages" in r]
    planted = [r for r in records if "fault" in r]
    if stable:
        print("### Pages where nothing is wrong, at a budget of 1 per 30 days\n")
        print(false_pages(stable))
    if planted:
        print("\n### Faults planted from one window on\n")
        print(detection(planted))
