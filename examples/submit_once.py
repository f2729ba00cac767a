"""Submit work under ids of your own, so that running again is harmless: `submit_once.py NAME...`.

The id is made from the name of the work. A program that was killed between the submit and its own
note of it simply runs again: the same work under the same id is one job.
"""

import os
import sys
from uuid import NAMESPACE_URL, uuid5

from workmill import Client

URL = os.environ.get("WORKMILL_URL", "http://127.0.0.1:5000")
MINE = uuid5(NAMESPACE_URL, "https://example.org/reports")

with Client(URL) as client:
    for name in sys.argv[1:]:
        job = client.submit(name.encode(), iterations=5000, id=uuid5(MINE, name))
        print(job.id, job.result().hex())
