"""What every process of ours does first, and how it starts others of ours.

    entry      descriptors, limits, signals and the import path, before anything else
    init       process 1 of a container: reaps orphans, hands signals on
    children   the command and the environment of a Python process of ours
    imports    late imports, and why a fork waits for them

Nothing but the standard library is imported here: an entry comes before everything else.
"""
