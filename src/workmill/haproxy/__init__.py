"""The balancer as it is shipped: `haproxy.cfg`, and `reload.py`, which needs nothing but Python.

`deploy/haproxy/` has links to both, for a balancer on a machine of its own; `workmill cluster`
runs the same file.
"""
