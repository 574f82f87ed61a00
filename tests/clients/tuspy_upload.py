"""A tuspy script as users write it, run as a process that the tests kill: ENDPOINT FILE URL-STORAGE OPTIONS.

It prints the URL and the offset that it goes on from before it sends anything more.
"""

import json
import sys

from tusclient.client import TusClient
from tusclient.storage.filestorage import FileStorage

if __name__ == "__main__":
    endpoint, path, urls, options = sys.argv[1:]
    storage = FileStorage(urls)  # type: ignore[no-untyped-call]
    uploader = TusClient(endpoint).uploader(path, store_url=True, url_storage=storage, **json.loads(options))
    if uploader.url is None:
        uploader.set_url(uploader.create_url())
    print(uploader.url, uploader.offset, flush=True)
    uploader.upload()
