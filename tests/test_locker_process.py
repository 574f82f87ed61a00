"""Locks of one process: the contract is all there is to them."""

from __future__ import annotations

import pytest

from tests.contracts.locker import LockerContract
from tests.contracts.locker_values import NewUpload
from tests.contracts.store_values import new_id
from tusserver.lockers.base import Locker
from tusserver.lockers.process import ProcessLocker


class TestProcessLocker(LockerContract):
    @pytest.fixture
    def locker(self) -> Locker:
        return ProcessLocker()

    @pytest.fixture
    def new_upload(self) -> NewUpload:
        return new_id
