"""Submit every file of a folder and print their values: `many_files.py FOLDER`.

`submit_many` reads the folder as fast as the service takes the files, so it may be of any size. A
file that is refused (unreadable, too large) has a problem, and leaves the others alone.
"""

import os
import sys
from pathlib import Path

from workmill import Client

URL = os.environ.get("WORKMILL_URL", "http://127.0.0.1:5000")

files = sorted(path for path in Path(sys.argv[1]).iterdir() if path.is_file())
with Client(URL) as client:
    jobs = list(client.submit_many(files, iterations=1000))
    for file, job in zip(files, jobs, strict=True):
        if job.problem is None:
            print(job.result().hex(), file.name)
        else:
            print(f"{file.name}: {job.problem}", file=sys.stderr)
