"""Watch a long job for a while, then cancel it: `progress_and_cancel.py`."""

import os

from workmill import Client
from workmill.domain.errors import JobCancelled, WaitTimeout

URL = os.environ.get("WORKMILL_URL", "http://127.0.0.1:5000")

with Client(URL) as client:
    job = client.submit(b"a long one", iterations=10_000_000_000)
    for _ in range(3):
        try:
            print(job.result(timeout_seconds=0.5).hex())
        except WaitTimeout:  # the job goes on
            progress = job.progress()
            print(f"{progress.fraction:.4%} done, {progress.eta_seconds} s to go")
    job.cancel()
    try:
        job.result()
    except JobCancelled as error:
        print(error)
