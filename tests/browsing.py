"""What a browser would fetch to show a page."""

from __future__ import annotations

import re
import urllib.request
from urllib.parse import urljoin

NAMED_IN_HTML = re.compile(r"""<(?:link|script|img)\b[^>]*?\b(?:href|src)=["']([^"'#]+)["']""")
NAMED_IN_MODULE = re.compile(r"""\b(?:from|import)\s*["'](\.{0,2}/[^"'\s]+)["']""")


def get(url: str, accept: str = "*/*") -> tuple[str, bytes]:
    """The media type and the body of an address that answers with 200."""
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
        return answer.headers.get_content_type(), answer.read()


def files_of_page(url: str) -> set[str]:
    """The addresses of every file that the page at `url` names, and of the modules those import; all of them answer.

    Raises:
        urllib.error.HTTPError: one of them does not.
    """
    kind, page = get(url, accept="text/html")
    assert kind == "text/html"
    waiting = [urljoin(url, name) for name in NAMED_IN_HTML.findall(page.decode())]
    found: set[str] = set()
    while waiting:
        address = waiting.pop()
        if address in found:
            continue
        found.add(address)
        kind, content = get(address)
        assert content, f"{address} is empty"
        if kind == "text/javascript":
            waiting += [urljoin(address, name) for name in NAMED_IN_MODULE.findall(content.decode())]
    return found
