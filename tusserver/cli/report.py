"""What `tusserver cleanup` prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol


class Removed(Protocol):
    """One upload."""

    @property
    def upload_id(self) -> str: ...

    @property
    def filename(self) -> str | None: ...

    @property
    def bytes(self) -> int: ...


class Report(Protocol):
    """What a clean-up removed, or would remove."""

    @property
    def removed_count(self) -> int: ...

    @property
    def freed_bytes(self) -> int: ...

    @property
    def removed(self) -> Sequence[Removed]: ...

    @property
    def dry_run(self) -> bool: ...


def show_report(report: Report, *, as_json: bool) -> str:
    return json_of(report) if as_json else table_of(report)


def json_of(report: Report) -> str:
    document = {
        "removed_count": report.removed_count,
        "freed_bytes": report.freed_bytes,
        "removed": [
            {"upload_id": one.upload_id, "filename": one.filename, "bytes": one.bytes} for one in report.removed
        ],
        "dry_run": report.dry_run,
    }
    return json.dumps(document, indent=2)


def table_of(report: Report) -> str:
    lines = [f"{one.upload_id:22}  {one.bytes:>15,}  {one.filename or ''}".rstrip() for one in report.removed]
    if lines:
        lines.insert(0, f"{'upload':22}  {'bytes':>15}  filename")
    count = f"{report.removed_count:,} upload" + ("" if report.removed_count == 1 else "s")
    size = f"{report.freed_bytes:,} bytes"
    return "\n".join([*lines, f"{count} would go, {size}" if report.dry_run else f"{count} removed, {size} freed"])
