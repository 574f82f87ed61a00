"""What strangers and guests try at the doors that ask who comes."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpClient
from yarl import URL

from tests.rest_client import owners_of


@pytest.mark.parametrize(
    "id",
    ["%2F%2Fevil.example", "https:evil.example", "javascript:alert(1)", "%5C%5Cevil.example", "%2F%2Fa%0D%0AX-Own:%20b"],
)
async def test_the_address_of_a_link_leads_to_no_other_site(
    aiohttp_client: AiohttpClient, tmp_path: Path, id: str
) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    address = URL(f"/links/{id}", encoded=True)
    async with ann.tus.client.get(address, headers={"Accept": "text/html"}, allow_redirects=False) as answer:
        assert (answer.status, answer.headers.get("Location")) == (404, None)


