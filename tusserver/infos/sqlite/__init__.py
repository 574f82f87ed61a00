"""Records, users and upload links in an SQLite database in WAL mode, for any number of processes of one machine."""

from tusserver.infos.sqlite.accounts import SqliteAccounts
from tusserver.infos.sqlite.infos import SqliteInfos

__all__ = ["SqliteAccounts", "SqliteInfos"]
