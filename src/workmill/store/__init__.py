"""Where jobs live. `port.py` is the contract; each folder beside it is one store that keeps it."""
