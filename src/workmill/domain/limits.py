"""Every default bound in one place, with its unit. Both sides of the wire share them."""

from __future__ import annotations

from typing import Final

PORT: Final = 5000
MAX_BODY_BYTES: Final = 1024 * 1024
MAX_BATCH_BYTES: Final = 32 * 1024 * 1024
MAX_BATCH_JOBS: Final = 1000
MAX_ITERATIONS: Final = 10**10
MAX_PULL_RESULTS: Final = 10_000
MAX_LIST_JOBS: Final = 1000
MAX_LEASE_JOBS: Final = 1024
MAX_UNHEARD: Final = 8
"""Requests for work without an answer that a worker names."""
MAX_COUNT: Final = 2**63 - 1
"""The largest token, count or total that stores and kernels take."""
MAX_WORKLOADS: Final = 100
"""How many workloads one worker may offer to compute."""
MAX_STATE_BYTES: Final = 4096
"""Of a checkpoint or result, whatever its workload."""
MAX_LEASE_SECONDS: Final = 3600.0
MAX_WAIT_SECONDS: Final = 30.0
MIN_PRIORITY: Final = -100
MAX_PRIORITY: Final = 100
MAX_REASON_CHARACTERS: Final = 500
MAX_NAME_CHARACTERS: Final = 200
"""Of a worker, and of each word by which a node describes itself."""
MAX_RATE_HZ: Final = 1e30
"""Iterations per second of one node: far above any, and sums of it are still finite."""

LEASE_SECONDS: Final = 15.0
"""How long a lease lives without a renewal: three missed renewals."""
CHECKPOINT_SECONDS: Final = 4.0
"""The longest time between two checkpoints of a running job; a crash loses at most this."""
RECEIPT_SECONDS: Final = 60.0
MAX_RECEIPT_SECONDS: Final = 12 * 3600.0

RESULT_RETENTION_SECONDS: Final = 7 * 24 * 3600.0
"""How long an ended job that nobody fetched is kept."""
DELIVERED_RETENTION_SECONDS: Final = 3600.0
"""How long a job is kept after its result was delivered."""
KNOWN_RETENTION_SECONDS: Final = 30 * 24 * 3600.0
MAX_KNOWN_BYTES: Final = 256 * 1024 * 1024

NODE_SECONDS: Final = 15.0
"""How long a node counts as alive after its last beat."""
READING_SECONDS: Final = 5.0
"""Figures older than this are not shown, and nothing is decided by them."""
TARGET_WAIT_SECONDS: Final = 15.0
"""How long a job may wait for a worker, where their number follows the load."""
COOL_DOWN_SECONDS: Final = 30.0
"""How long the load must have asked for less before a worker is taken away."""
LEAD_SECONDS: Final = 6.0
"""How long a leading controller leads without asking again: three missed renewals."""
MAX_LEAD_SECONDS: Final = 300.0
MAX_NODES: Final = 10_000
"""How many nodes are known at a time."""
MAX_WORKERS: Final = 1024
"""How many workers one machine, or one order, may ask for."""
DRAIN_SECONDS: Final = 5.0
