"""Completed uploads by a link are told to the URL it names: signed, at least once, and only to hosts that may hear."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from pytest_aiohttp import AiohttpClient, AiohttpServer

from tests.rest_client import RestClient, refused, said
from tests.running import RunningServer
from tests.test_readme import block
from tests.tus_client import STREAM, VERSION, TusClient
from tusserver.app import make_app
from tusserver.protocol.uploads import Upload
from tusserver.settings import Settings
from tusserver.web.announce import AT_ONCE, GIVEN_UP_AFTER, Announcer, host_of
from tusserver.web.site import SITE

HOSTS = ("127.0.0.1",)


@dataclass(slots=True)
class Receiver:
    """Hears, and answers with `answers` in their order, the last of them again and again."""

    url: str = ""
    answers: list[int] = field(default_factory=lambda: [204])
    heard: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)
    elsewhere: int = 0
    present: int = 0
    most: int = 0

    async def hear(self, request: web.Request) -> web.Response:
        self.heard.append((await request.read(), dict(request.headers)))
        status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.present += 1
        self.most = max(self.most, self.present)
        await asyncio.sleep(0.01)
        self.present -= 1
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 307 else {})

    async def be_elsewhere(self, request: web.Request) -> web.Response:
        self.elsewhere += 1
        return web.Response()

    @property
    def ids(self) -> list[str]:
        return [json.loads(body)["event_id"] for body, _ in self.heard]


@pytest.fixture
async def receiver(aiohttp_server: AiohttpServer) -> Receiver:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/heard", receiver.hear)
    app.router.add_route("*", "/elsewhere", receiver.be_elsewhere)
    receiver.url = str((await aiohttp_server(app)).make_url("/heard"))
    return receiver


@dataclass(slots=True)
class House:
    """A server in this process, with one link and the secret that its owner was told."""

    app: web.Application
    tus: TusClient
    link: str
    key: str

    async def upload(self, length: int = 5, **headers: str) -> str:
        """The id of an upload by the link whose first bytes are `hello`."""
        sent = STREAM | {"Upload-Length": str(length)} | {name.replace("_", "-"): it for name, it in headers.items()}
        made = await self.tus.send("POST", self.link, sent, b"hello")
        assert made.status == 201, made
        return made.headers["Location"].rsplit("/", 1)[1]

    async def record(self, id: str) -> Upload:
        return await self.app[SITE].backends.infos.load(id)

    async def is_told(self, id: str) -> bool:
        return (await self.record(id)).announce is None


@pytest.fixture
async def house(aiohttp_client: AiohttpClient, tmp_path: Path, receiver: Receiver) -> House:
    app = make_app(Settings(upload_folder=tmp_path / "uploads", announce_hosts=HOSTS))
    tus = TusClient(await aiohttp_client(app))
    made = await RestClient(tus).post("/links", {"announce": receiver.url})
    assert made.status == 201, made
    return House(app, tus, said(made)["upload_url"], said(made)["announce_key"])


async def until(fact: Callable[[], Any], within: float = 10.0) -> None:
    """Wait until calling `fact` gives something true, or something that comes to it."""
    async with asyncio.timeout(within):
        while True:
            found = fact()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.01)


def is_genuine(body: bytes, headers: dict[str, str], key: str) -> bool:
    """As README.md tells a receiver to find out."""
    scope: dict[str, Any] = {}
    exec(block("Upload links", "python"), scope)
    return scope["is_genuine"](body, headers["X-Tusserver-Signature"], key) is True


async def test_a_completed_upload_is_told_once_and_signed_with_the_secret_of_its_link(
    house: House, receiver: Receiver
) -> None:
    id = await house.upload(Upload_Metadata="filename YS50eHQ=,filetype dGV4dC9wbGFpbg==")
    await until(lambda: house.is_told(id), within=3)
    (body, headers), *others = receiver.heard
    assert others == []
    link = house.link.strip("/").rsplit("/", 1)[1]
    told = json.loads(body)
    assert told.pop("completed_at").endswith("Z")
    assert told == {
        "event": "upload.complete",
        "event_id": id,
        "upload_id": id,
        "filename": "a.txt",
        "size": 5,
        "content_type": "text/plain",
        "link_id": link,
        "upload_url": f"/files/{id}",
    }
    assert is_genuine(body, headers, house.key)
    assert not is_genuine(body, headers, link)
    assert not is_genuine(body.replace(b"a.txt", b"b.txt"), headers, house.key)
    assert headers["Content-Type"] == "application/json"


async def test_the_secret_of_a_link_is_told_once_and_to_its_owner_only(house: House, receiver: Receiver) -> None:
    rest = RestClient(house.tus)
    assert len(base64.urlsafe_b64decode(house.key + "=")) == 32
    for path in ("/links", house.link, house.link.rstrip("/")):
        shown = (await rest.send("GET", path)).body.decode()
        assert house.key not in shown
        assert "announce_key" not in shown
    other = said(await rest.post("/links", {"announce": receiver.url}))
    assert other["announce_key"] != house.key
    assert "announce_key" not in said(await rest.post("/links", {}))
    assert refused(await rest.post("/links", {"announce_key": house.key})) == (422, "bad-link")


async def test_nothing_that_a_sender_is_told_has_the_secret(house: House) -> None:
    made = await house.tus.send("POST", house.link, {"Upload-Length": "5", "Upload-Metadata": "filename YQ=="})
    path = made.headers["Location"]
    done = await house.tus.patch(path, 0, b"hello")
    head = await house.tus.send("HEAD", path)
    told = [str(reply.headers) + reply.body.decode() for reply in (made, done, head)]
    assert [house.key in one for one in told] == [False] * 3


async def test_what_was_begun_by_a_link_is_signed_though_the_link_is_gone(house: House, receiver: Receiver) -> None:
    id = await house.upload(length=10)
    assert (await RestClient(house.tus).send("DELETE", house.link.rstrip("/"))).status == 204
    assert (await house.tus.patch(f"/files/{id}", 5, b"world")).status == 204
    await until(lambda: house.is_told(id), within=3)
    ((body, headers),) = receiver.heard
    assert is_genuine(body, headers, house.key)


async def test_the_secret_is_forgotten_once_the_upload_was_told(house: House) -> None:
    id = await house.upload(length=10)
    assert (await house.record(id)).announce_key == house.key
    assert (await house.tus.patch(f"/files/{id}", 5, b"world")).status == 204
    await until(lambda: house.is_told(id), within=3)
    assert (await house.record(id)).announce_key is None
    part = await house.upload(Upload_Concat="partial")
    assert (await house.record(part)).announce_key is None


async def test_what_came_by_a_link_without_a_secret_is_told_without_a_signature(
    house: House, receiver: Receiver
) -> None:
    id = await house.upload(length=10)
    infos = house.app[SITE].backends.infos
    await infos.save(replace(await infos.load(id), announce_key=None))
    assert (await house.tus.patch(f"/files/{id}", 5, b"world")).status == 204
    await until(lambda: house.is_told(id), within=3)
    ((_, headers),) = receiver.heard
    assert "X-Tusserver-Signature" not in headers


async def test_an_upload_is_told_when_its_last_byte_has_come_and_not_before(house: House, receiver: Receiver) -> None:
    id = await house.upload(length=10)
    await asyncio.sleep(0.1)
    assert receiver.heard == []
    assert (await house.tus.patch(f"/files/{id}", 5, b"world")).status == 204
    await until(lambda: house.is_told(id), within=3)
    assert receiver.ids == [id]


async def test_of_a_final_upload_the_whole_is_told_and_no_part(house: House, receiver: Receiver) -> None:
    part = await house.upload(Upload_Concat="partial")
    made = await house.tus.send("POST", "/files/", {"Upload-Concat": f"final;/files/{part}"})
    assert made.status == 201
    made = await house.tus.send("POST", house.link, {"Upload-Concat": f"final;/files/{part} /files/{part}"})
    id = made.headers["Location"].rsplit("/", 1)[1]
    await until(lambda: house.is_told(id), within=3)
    assert receiver.ids == [id]


async def test_a_receiver_that_fails_is_told_again(house: House, receiver: Receiver) -> None:
    receiver.answers = [500, 200]
    id = await house.upload()
    await until(lambda: receiver.heard, within=3)
    assert not await house.is_told(id)
    await until(lambda: house.is_told(id))
    assert receiver.ids == [id, id]


async def test_a_redirect_is_not_followed_and_counts_as_a_failure(house: House, receiver: Receiver) -> None:
    receiver.answers = [307, 200]
    id = await house.upload()
    await until(lambda: receiver.heard, within=3)
    await asyncio.sleep(0.2)
    assert receiver.elsewhere == 0
    assert not await house.is_told(id)


async def test_many_are_all_told_four_at_once(house: House, receiver: Receiver) -> None:
    made = await asyncio.gather(*(house.upload() for _ in range(20)))
    await until(lambda: len(receiver.heard) == 20, within=5)
    assert sorted(receiver.ids) == sorted(made)
    assert receiver.most == AT_ONCE


@pytest.fixture
async def another(house: House) -> AsyncIterator[Callable[..., asyncio.Task[None]]]:
    """Starts announcers on the same service, which know nothing but what is in the records."""
    tasks: list[asyncio.Task[None]] = []

    def start(hosts: tuple[str, ...] = HOSTS) -> asyncio.Task[None]:
        site = house.app[SITE]
        tasks.append(asyncio.create_task(Announcer(site.service, hosts, site.address).run()))
        return tasks[-1]

    yield start
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


Start = Callable[..., asyncio.Task[None]]


async def failed(house: House, receiver: Receiver) -> str:
    """The id of an upload whose receiver has failed once, so that nothing more is tried for some seconds."""
    receiver.answers = [500]
    id = await house.upload()
    await until(lambda: receiver.heard, within=3)
    receiver.answers = [200]
    return id


async def test_a_host_that_was_taken_off_the_list_is_told_no_more(
    house: House, receiver: Receiver, another: Start
) -> None:
    id = await failed(house, receiver)
    another(("example.com",))
    await asyncio.sleep(0.2)
    assert receiver.ids == [id]
    another()
    await until(lambda: house.is_told(id), within=3)


async def test_after_seven_days_it_is_given_up(house: House, receiver: Receiver, another: Start) -> None:
    id = await failed(house, receiver)
    receiver.answers = [500]
    record = await house.record(id)
    assert record.completed_at is not None
    old = replace(record, completed_at=record.completed_at - GIVEN_UP_AFTER + timedelta(minutes=1))
    await house.app[SITE].backends.infos.save(old)
    another()
    await until(lambda: len(receiver.heard) == 2, within=3)
    await asyncio.sleep(0.1)
    assert not await house.is_told(id)
    await house.app[SITE].backends.infos.save(replace(old, completed_at=record.completed_at - GIVEN_UP_AFTER))
    another()
    await until(lambda: house.is_told(id), within=3)
    assert len(receiver.heard) == 3


async def test_an_upload_that_is_removed_before_it_was_told_is_dropped(
    house: House, receiver: Receiver, another: Start
) -> None:
    id = await failed(house, receiver)
    assert (await house.tus.send("DELETE", f"/files/{id}")).status == 204
    another()
    await asyncio.sleep(0.2)
    assert receiver.ids == [id]


async def test_an_upload_whose_bytes_are_gone_is_told_once(house: House, receiver: Receiver, another: Start) -> None:
    id = await failed(house, receiver)
    await house.app[SITE].backends.store.delete(id)
    another()
    await until(lambda: house.is_told(id), within=3)
    assert receiver.ids == [id, id]


async def test_an_upload_that_somebody_holds_is_told_once_and_crossed_off_later(
    house: House, receiver: Receiver, another: Start
) -> None:
    id = await failed(house, receiver)
    async with house.app[SITE].backends.locker.hold(id):
        another()
        await until(lambda: len(receiver.heard) == 2, within=3)
        await asyncio.sleep(0.1)
        assert not await house.is_told(id)
    await until(lambda: house.is_told(id))


@pytest.mark.parametrize("url", ["http://127.0.0.2/heard", "https://example.com/", "http://localhost:80/"])
async def test_a_link_that_names_another_host_is_refused(house: House, url: str) -> None:
    reply = await RestClient(house.tus).post("/links", {"announce": url})
    assert refused(reply) == (422, "bad-link")
    assert "announce_hosts" in reply.problem["detail"]


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://127.0.0.1/", "127.0.0.1", "http://", "http:///x", "http://[", "http://[::1", "http://127.0.0.1:x/"),
        *("http://example.com\\@127.0.0.1/", "http://me@127.0.0.1/", "http://127.0.0.1 /", "http://127.0.0.1\n/"),
        *("http://exämple.com/", "", "http://127.0.0.1:99999/", "http://127.0.0.1:0/"),
    ],
)
async def test_what_is_no_plain_url_of_the_web_is_refused(house: House, url: str) -> None:
    assert host_of(url) is None
    assert refused(await RestClient(house.tus).post("/links", {"announce": url})) == (422, "bad-link")


async def test_without_a_list_of_hosts_nobody_is_told(tus: TusClient, receiver: Receiver) -> None:
    assert refused(await RestClient(tus).post("/links", {"announce": receiver.url})) == (422, "bad-link")
    assert (await RestClient(tus).post("/links", {"announce": None})).status == 201


async def test_a_server_that_is_killed_before_it_could_tell_tells_after_its_restart(
    tmp_path: Path, receiver: Receiver
) -> None:
    receiver.answers = [503]
    flags = ("--announce-hosts", "127.0.0.1")
    server = await asyncio.to_thread(RunningServer, tmp_path / "uploads", *flags)
    try:
        async with ClientSession() as session:
            async with session.post(server.url + "/links", json={"announce": receiver.url}) as answer:
                link = server.url + (await answer.json())["upload_url"]
            sent = VERSION | STREAM | {"Upload-Length": "5"}
            async with session.post(link, data=b"hello", headers=sent) as answer:
                assert answer.status == 201
                id = answer.headers["Location"].rsplit("/", 1)[1]
        await until(lambda: receiver.heard, within=3)
    finally:
        await asyncio.to_thread(server.kill)
    assert set(receiver.ids) == {id}
    receiver.heard.clear()
    receiver.answers = [200]
    server = await asyncio.to_thread(RunningServer, tmp_path / "uploads", *flags)
    try:
        await until(lambda: receiver.heard)
        await asyncio.to_thread(server.stop)
        assert "Traceback" not in server.output
    finally:
        await asyncio.to_thread(server.stop)
    assert receiver.ids == [id]
