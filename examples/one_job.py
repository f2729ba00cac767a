"""Submit bytes, wait for the value: `one_job.py [TEXT]`."""

import os
import sys

from workmill import Client

URL = os.environ.get("WORKMILL_URL", "http://127.0.0.1:5000")

data = " ".join(sys.argv[1:] or ["some data"]).encode()
with Client(URL) as client:
    job = client.submit(data, iterations=100_000)  # on stable storage when this returns
    print(job.id, file=sys.stderr)
    print(job.result(timeout_seconds=60).hex())
