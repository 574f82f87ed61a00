"""`tusserver upload`: send files with tuspy, and go on where an earlier run was cut."""

from tusserver.upload.files import Options, upload_files

__all__ = ["Options", "upload_files"]
