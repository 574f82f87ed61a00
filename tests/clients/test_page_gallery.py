"""Images and several uploads at once on the page at `/`, in a real browser."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path

import pytest

from tests.clients.page import ServerPage, create
from tests.clients.people import NAME, PASSWORD, asking, stored
from tests.clients.wire import TUS, ask, is_gone
from tests.image_making import jpeg, picture, saved
from tests.running import RunningServer, wait_until

pytestmark = pytest.mark.engines

GALLERY = {"role": "button", "name": "Images only"}
LIST = {"role": "button", "name": "All as a list"}
ARABIC = "صورة العائلة.png"


def send(server: RunningServer, *files: tuple[str, bytes]) -> list[dict[str, str]]:
    """Put images on the server as a form does; gives what it tells of each."""
    bound = "a-line-that-is-in-no-image"
    head = '--{}\r\nContent-Disposition: form-data; name="files"; filename="{}"\r\n\r\n'
    body = b"".join(head.format(bound, name).encode() + data + b"\r\n" for name, data in files)
    fields = {"Content-Type": f"multipart/form-data; boundary={bound}"}
    answer = ask("POST", server.url + "/api/upload", fields, body + f"--{bound}--\r\n".encode())
    assert answer.status == 200, answer
    told: list[dict[str, str]] = json.loads(answer.body)["data"]
    return told


def three(server: RunningServer) -> list[dict[str, str]]:
    """Three images, the newest first, as the gallery shows them."""
    small = saved(picture(90, 60), "PNG")
    files = [("first.jpg", jpeg(1200, 800)), ("second.jpg", jpeg(400, 600)), ("third.png", small)]
    return send(server, *files)[::-1]


def show(page: ServerPage, count: int) -> None:
    """Wait until the gallery shows so many images."""
    wait_until(lambda: [tile["state"] for tile in page.tiles()] == ["shown"] * count)


def open_gallery(page: ServerPage, url: str, count: int, **options: object) -> None:
    page.open(url, **options)
    page.click(**GALLERY)
    show(page, count)


def choose(page: ServerPage, name: str, *keys: str) -> None:
    page.click(role="checkbox", name=f"Choose {name}", modifiers=list(keys))


def chosen(page: ServerPage) -> list[str]:
    return [tile["name"] for tile in page.tiles() if tile["isChosen"]]


def downloaded(page: ServerPage) -> zipfile.ZipFile:
    """The ZIP of what is chosen, as the browser saved it."""
    return zipfile.ZipFile(io.BytesIO(base64.b64decode(page.do("download", {"css": "#chosen-zip"}))))


def test_images_that_are_uploaded_show_up_as_thumbnails_by_themselves(
    page: ServerPage, own_server: RunningServer, tmp_path: Path
) -> None:
    bodies = {
        "photo.jpg": jpeg(1200, 800),
        ARABIC: saved(picture(300, 500), "PNG"),
        "drawing.webp": saved(picture(700, 200), "WEBP"),
        "notes.txt": b"not an image",
    }
    for name, body in bodies.items():
        (tmp_path / name).write_bytes(body)
    page.open(own_server.url)
    page.click(**GALLERY)
    page.wait(css="#no-images")
    page.add(*(tmp_path / name for name in bodies))
    show(page, 3)
    images = page.images(".tile img")
    assert {(one["alt"], one["width"], one["height"]) for one in images} == {
        ("photo.jpg", 320, 213),
        (ARABIC, 300, 500),
        ("drawing.webp", 320, 91),
    }
    page.click(**LIST)
    wait_until(lambda: len([one for one in page.images(".row .thumbnail") if one["width"] > 0]) == 3)
    assert page.do("failures") == []


def test_a_sharp_screen_gets_more_pixels(page: ServerPage, own_server: RunningServer) -> None:
    send(own_server, ("photo.jpg", jpeg(1200, 800)))
    open_gallery(page, own_server.url, 1, sharp=True)
    [image] = page.images(".tile img")
    assert "w=640" in image["url"]


def test_the_gallery_is_remembered(page: ServerPage, own_server: RunningServer) -> None:
    three(own_server)
    create(own_server, "notes.txt", b"x")
    open_gallery(page, own_server.url, 3)
    page.do("reload")
    show(page, 3)
    page.wait(css="#rows", state="hidden")


def test_an_image_that_has_the_name_of_another_before_it_is_not_taken_for_that_one(
    page: ServerPage, own_server: RunningServer
) -> None:
    send(own_server, ("photo.jpg", jpeg(40, 30)))
    open_gallery(page, own_server.url, 1)
    assert ask("DELETE", own_server.url + "/api/images/photo.jpg").status == 204
    [told] = send(own_server, ("photo.jpg", jpeg(60, 20)))
    assert told["stored_filename"] == "photo.jpg"
    page.click(role="button", name="Refresh the list")
    wait_until(lambda: [one["width"] for one in page.images(".tile img")] == [60])


def test_an_image_whose_thumbnail_cannot_be_had_keeps_its_place(page: ServerPage, own_server: RunningServer) -> None:
    three(own_server)
    page.open(own_server.url)
    page.do("answer", {"path": "/uploads/second.jpg", "status": 503, "problem": {"detail": "busy"}})
    page.click(**GALLERY)
    wait_until(lambda: [tile["state"] for tile in page.tiles()] == ["shown", "failed", "shown"])
    page.wait(role="button", name="Open second.jpg, which has no preview")
    assert page.do("layout")["shift"] < 0.01


def test_an_image_opens_large_and_the_arrow_keys_lead_on(page: ServerPage, own_server: RunningServer) -> None:
    three(own_server)
    open_gallery(page, own_server.url, 3)
    page.click(css=".tile:nth-child(2) .tile-open")
    page.wait(css="#viewer[data-state='shown']")
    [image] = page.images("#viewer-image")
    assert (image["width"], image["height"], image["alt"]) == (400, 600, "second.jpg")
    assert "format=webp" in image["url"]
    place = image["place"]
    page.do("press", "ArrowRight")
    wait_until(lambda: page.text("#viewer-name") == "first.jpg")
    page.wait(css="#viewer[data-state='shown']")
    assert page.images("#viewer-image")[0]["width"] == 1200
    page.do("press", "ArrowRight")  # there is no other
    page.do("press", "Home")
    wait_until(lambda: page.text("#viewer-name") == "third.png")
    page.do("press", "ArrowRight")
    wait_until(lambda: page.text("#viewer-count") == "2 of 3")
    # It has its place before it is there.
    assert page.images("#viewer-image")[0]["place"] == place
    page.do("press", "Escape")
    page.wait(css="#viewer", state="hidden")
    assert page.do("focused") == "Open second.jpg"
    assert page.do("failures") == []


def test_what_is_chosen_comes_as_one_zip(page: ServerPage, own_server: RunningServer) -> None:
    bodies = {"album/a.txt": b"one", "album/b.txt": b"two" * 1000, ARABIC: saved(picture(), "PNG"), "left.txt": b"no"}
    for name, body in bodies.items():
        create(own_server, name, body)
    page.open(own_server.url)
    for name in bodies:
        if name != "left.txt":
            choose(page, name)
    assert page.text("#chosen-count") == "3 chosen"
    archive = downloaded(page)
    assert archive.testzip() is None
    del bodies["left.txt"]
    assert {name: archive.read(name) for name in archive.namelist()} == bodies
    assert page.do("failures") == []


def test_a_zip_of_what_is_gone_is_refused_in_words_and_the_list_is_put_right(
    page: ServerPage, own_server: RunningServer
) -> None:
    urls = {name: create(own_server, name, b"x") for name in ("here.txt", "gone.txt")}
    page.open(own_server.url)
    page.click(css="#choose-all")
    assert ask("DELETE", urls["gone.txt"], TUS).status == 204
    page.click(css="#chosen-zip")
    wait_until(lambda: "not there any more" in page.text("#toast"))
    wait_until(lambda: [row["name"] for row in page.rows()] == ["here.txt"])
    assert page.text("#chosen-count") == "1 chosen"


def test_more_than_fit_into_one_address_are_not_offered_as_a_zip(page: ServerPage, own_server: RunningServer) -> None:
    for number in range(310):
        create(own_server, f"{number}.txt")
    page.open(own_server.url)
    while len(page.rows()) < 310:
        count = len(page.rows())
        page.click(css="#more")
        wait_until(lambda count=count: len(page.rows()) > count)
    page.click(css="#choose-all")
    assert page.text("#chosen-count") == "310 chosen"
    assert page.text("#chosen-note").startswith("One ZIP takes up to 30")
    choose(page, "309.txt")
    for number in range(308, 298, -1):
        choose(page, f"{number}.txt")
    page.wait(css="#chosen-note", state="hidden")
    assert 6000 < len(page.do("attribute", {"css": "#chosen-zip", "name": "href"})) < 7000
    assert len(downloaded(page).namelist()) == 299


def test_several_are_deleted_after_a_question(page: ServerPage, own_server: RunningServer) -> None:
    told = three(own_server)
    open_gallery(page, own_server.url, 3)
    choose(page, "third.png")
    choose(page, "second.jpg")
    page.click(css="#chosen-delete")
    page.wait(role="heading", name="Delete 2 uploads?")
    assert page.do("focused") == "Keep"
    page.do("press", "Escape")
    page.wait(css="#question", state="hidden")
    assert page.requests("DELETE") == []
    page.do("press", "Delete")
    page.wait(css="#question", state="hidden")  # the focus is on the bar
    page.click(css="#chosen-delete")
    page.click(css="#question-yes")
    show(page, 1)
    page.wait(css="#chosen", state="hidden")
    assert page.text("#toast") == "All 2 are deleted"
    assert page.do("focused") == "Choose first.jpg"
    gone = [is_gone(f"{own_server.url}/files/{one['upload_id']}") for one in told]
    assert gone == [True, True, False]
    assert page.do("failures") == []


def test_what_could_not_be_deleted_stays_chosen(page: ServerPage, own_server: RunningServer) -> None:
    urls = {name: create(own_server, name, b"x") for name in ("one.txt", "two.txt", "three.txt")}
    path = urls["two.txt"].removeprefix(own_server.url)
    page.open(own_server.url)
    page.click(css="#choose-all")
    page.do("answer", {"path": path, "status": 423, "problem": {"detail": "somebody reads it"}})
    page.click(css="#chosen-delete")
    page.click(css="#question-yes")
    wait_until(lambda: page.text("#toast") == "two.txt was not deleted: somebody reads it")
    assert [row["name"] for row in page.rows()] == ["two.txt"]
    assert page.text("#chosen-count") == "1 chosen"
    assert {name: is_gone(url) for name, url in urls.items()} == {"one.txt": True, "two.txt": False, "three.txt": True}


def test_links_of_several_are_copied_and_open(page: ServerPage, own_server: RunningServer) -> None:
    url = create(own_server, "notes.txt", b"x")
    [image] = send(own_server, ("photo.jpg", jpeg()))
    page.open(own_server.url)
    page.click(css="#choose-all")
    page.click(css="#chosen-copy")
    wait_until(lambda: page.text("#toast") == "2 links copied")
    assert page.do("clipboard") == f"{image['preview_url']}\n{url}"
    page.do("tab", image["preview_url"])
    assert [(one["width"], one["height"]) for one in page.images("img")] == [(40, 30)]


def test_uploads_are_chosen_by_keyboard(page: ServerPage, own_server: RunningServer) -> None:
    send(own_server, *((f"{number}.png", saved(picture(), "PNG")) for number in range(6)))
    open_gallery(page, own_server.url, 6, width=1440)
    page.do("focus", {"role": "checkbox", "name": "Choose 5.png"})
    page.do("press", "Space")
    page.do("press", "Shift+ArrowRight")
    assert chosen(page) == ["5.png", "4.png"]
    page.do("press", "Shift+ArrowDown")
    assert chosen(page) == ["5.png", "4.png", "3.png", "2.png", "1.png"]
    page.do("press", "Shift+ArrowUp")
    assert chosen(page) == ["5.png", "4.png"]
    choose(page, "2.png", "Shift")
    assert chosen(page) == ["5.png", "4.png", "3.png", "2.png"]
    page.do("press", "Escape")
    page.wait(css="#chosen", state="hidden")
    page.do("press", "Control+a")
    assert len(chosen(page)) == 6
    page.do("press", "Delete")
    page.wait(role="heading", name="Delete 6 uploads?")


def test_who_is_signed_in_sees_private_images_and_gets_the_zip(page: ServerPage, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(jpeg(600, 400))
    with asking(tmp_path / "asking", "--images", "private") as server:
        page.visit(server.url)
        page.sign_in(NAME, PASSWORD)
        page.wait(role="button", name="Choose files")
        page.click(**GALLERY)
        page.add(tmp_path / "photo.jpg")
        show(page, 1)
        choose(page, "photo.jpg")
        archive = downloaded(page)
        assert {name: archive.read(name) for name in archive.namelist()} == stored(server)
        page.click(css="#chosen-copy")
        wait_until(lambda: page.text("#toast") == "Link copied. It opens only where you are signed in.")
        page.click(role="button", name=f"Sign out {NAME}")
        page.wait(role="textbox", name="Password")
        assert page.tiles() == []
        assert page.do("failures") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1440])
def test_the_gallery_fits_the_screen(
    page: ServerPage, own_server: RunningServer, tmp_path: Path, width: int, scheme: str
) -> None:
    shots = tmp_path / "screenshots"

    def look(state: str) -> None:
        page.do("screenshot", str(shots / f"{state}-{width}-{scheme}.png"))
        layout = page.do("layout")
        assert layout["overflow"] <= 0
        assert layout["shift"] < 0.02

    names = [ARABIC, "a-name-without-a-single-space-that-is-wider-than-a-telephone-is.png", "wide.png", "high.png"]
    sizes = [(300, 200), (200, 300), (900, 90), (90, 900)]
    files = [(name, saved(picture(*size), "PNG")) for name, size in zip(names, sizes, strict=True)]
    page.open(own_server.url, width=width, height=860, scheme=scheme, touch=width < 800)
    page.click(**GALLERY)
    page.wait(css="#no-images")
    look("none")
    send(own_server, *files)
    page.do("reload")
    show(page, 4)
    look("images")
    choose(page, "wide.png")
    choose(page, "high.png")
    look("chosen")
    page.click(css="#chosen-delete")
    page.wait(css="#question")
    look("question")
    page.do("press", "Escape")
    page.click(css=".tile:nth-child(2) .tile-open")
    page.wait(css="#viewer[data-state='shown']")
    look("viewer")
    assert page.do("failures") == []
