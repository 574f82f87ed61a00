"""Records in an SQLite database in WAL mode, shared by any number of processes of one machine."""

from tusserver.infos.sqlite.infos import SqliteInfos

__all__ = ["SqliteInfos"]
