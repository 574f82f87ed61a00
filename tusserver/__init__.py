"""A resumable upload server: tus 1.0 on aiohttp, with plain REST, images and ZIP on the same uploads."""

__version__ = "0.1.0"
