"""What `tusserver cleanup` prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol


class Report(Protocol):
    """What a clean-up removed, or would remove.

    Attributes:
        removed: id, filename and stored bytes of each upload.
    """

    @property
    def removed_count(self) -> int: ...

    @property
    def freed_bytes(self) -> int: ...

    @property
    def removed(self) -> Sequence[tuple[str, str, int]]: ...

    @property
    def dry_run(self) -> bool: ...


def show_report(report: Report, *, as_json: bool) -> str:
    return json_of(report) if as_json else table_of(report)


def json_of(report: Report) -> str:
    document = {
        "removed_count": report.removed_count,
        "freed_bytes": report.freed_bytes,
        "removed": [
            {"upload_id": upload_id, "filename": filename, "bytes": size}
            for upload_id, filename, size in report.removed
        ],
        "dry_run": report.dry_run,
    }
    return json.dumps(document, indent=2)


def table_of(report: Report) -> str:
    lines = [f"{upload_id}  {size:>15,}  {harmless(filename)}" for upload_id, filename, size in report.removed]
    if lines:
        lines.insert(0, f"{'upload':22}  {'bytes':>15}  filename")
    verb = "would be removed" if report.dry_run else "removed"
    count = f"{report.removed_count:,} upload" + ("" if report.removed_count == 1 else "s")
    return "\n".join(
        [*lines, f"{count} {verb}, {report.freed_bytes:,} bytes {'to free' if report.dry_run else 'freed'}"]
    )


def harmless(filename: str) -> str:
    """Replace what is not printable: the name came over the network, and a terminal obeys control characters."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in filename)
