"""A client of the routes for images, and forms in every byte."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pytest_aiohttp import AiohttpClient

from tests.pictures import form, picture
from tests.rest_client import RestClient, said
from tests.tus_client import Reply, TusClient
from tusserver.app import make_app
from tusserver.settings import Settings

BOUNDARY = "----walls"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
END = f"--{BOUNDARY}--\r\n".encode()
PNG, JPEG = picture("PNG", (8, 6)), picture("JPEG", (40, 20))


async def server_of(aiohttp_client: AiohttpClient, folder: Path, **chosen: Any) -> RestClient:
    """A client of an open server with other settings."""
    return RestClient(TusClient(await aiohttp_client(make_app(Settings(upload_folder=folder / "uploads", **chosen)))))


async def sent(rest: RestClient, *files: tuple[str, bytes]) -> Reply:
    return await rest.send("POST", "/api/upload", form(*files))


async def taken(rest: RestClient, *files: tuple[str, bytes]) -> list[dict[str, Any]]:
    """What is told of each file of a form that is taken."""
    reply = await sent(rest, *files)
    assert reply.status == 200, reply
    data = said(reply)["data"]
    assert isinstance(data, list)
    return data


async def listed(rest: RestClient, path: str = "/status") -> list[dict[str, Any]]:
    found = said(await rest.send("GET", path))
    entries = found["uploads" if path == "/status" else "data"]
    assert isinstance(entries, list)
    return entries


async def until(fact: Callable[[], Awaitable[object]]) -> None:
    """Wait until it is true."""
    for _ in range(500):
        if await fact():
            return
        await asyncio.sleep(0.02)
    raise TimeoutError("it did not come true")


def part(name: str, value: bytes, extra: str = "") -> bytes:
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode() + value + b"\r\n"


def file(value: bytes, filename: str = "a.png", name: str = "files") -> bytes:
    return part(name, value, f'; filename="{filename}"')
