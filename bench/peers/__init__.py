"""End to end against other task queues: the same data, the same work, two worker processes each.

Each system takes single PUTs over HTTP, computes, and hands its results back; the time runs
from the first PUT until the last result is pulled and checked. Every peer has a Redis of its
own that keeps nothing on disk, and is set up as its documentation advises for many short
tasks; its module says how and why. `face.py` puts the same bare HTTP face before each, and
their results are read straight from the library, without HTTP. Workmill commits every job to
stable storage before its reply, and its results are pulled over HTTP.
"""
