"""What "work" means. `port.py` says what a workload is, `registry.py` finds them by name."""
