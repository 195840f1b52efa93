"""The Events block at the end of a description, made from the server's table of events."""

from __future__ import annotations

from typing import Any


def text(table: dict[str, Any]) -> str:
    """Lines with tabs. `table` has whole events as its rows' objects."""
    names = [column["name"] for column in table.get("columnDefinitions") or []]
    rows = sorted(table.get("rows") or [], key=lambda row: moment(row.get("object") or {}))
    if not rows:
        return "Events:\t<none>\n"
    lines = ["Events:", "  Type\tReason\tAge\tFrom\tMessage", "  ----\t------\t----\t----\t-------"]
    for row in rows:
        cells = dict(zip(names, row["cells"], strict=False))
        source = str(cells["Source"]).partition(",")[0]
        lines.append(f"  {cells['Type']}\t{cells['Reason']}\t{age(cells)}\t{source}\t{str(cells['Message']).strip()}")
    return "\n".join(lines) + "\n"


def age(cells: dict[str, Any]) -> str:
    """How long ago, and how often, out of one row of the server's table."""
    if int(cells["Count"]) > 1:
        return f"{cells['Last Seen']} (x{cells['Count']} over {cells['First Seen']})"
    return str(cells["First Seen"])


def moment(event: dict[str, Any]) -> str:
    """When it was last seen, in RFC 3339, which sorts as text."""
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")
