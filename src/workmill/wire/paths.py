"""Every path of the HTTP face, once."""

from typing import Final

ENQUEUE: Final = "/enqueue"
PULL_COMPLETED: Final = "/pullCompleted"

JOBS: Final = "/v1/jobs"
CANCEL: Final = "/v1/jobs/cancel"
RESULTS_PULL: Final = "/v1/results/pull"
RESULTS_ACK: Final = "/v1/results/ack"
EVENTS: Final = "/v1/events"

WORK_LEASE: Final = "/v1/work/lease"
WORK_RENEW: Final = "/v1/work/renew"
WORK_COMPLETE: Final = "/v1/work/complete"
WORK_FAIL: Final = "/v1/work/fail"
WORK_RELEASE: Final = "/v1/work/release"

STATS: Final = "/v1/stats"
NODES: Final = "/v1/nodes"
BEAT: Final = "/v1/nodes/beat"
LEAD: Final = "/v1/lead"
BACKUP: Final = "/v1/backup"
RESTORE: Final = "/v1/restore"

HEALTHZ: Final = "/healthz"
READYZ: Final = "/readyz"
METRICS: Final = "/metrics"
OPENAPI: Final = "/openapi.json"
DOCS: Final = "/docs"
HOME: Final = "/"
