"""Lease, advance, renew, complete; drain."""
