"""A cheap load generator: one thread, epoll, no protocol library.

It shares the cores with what it measures, so it must cost next to nothing: it builds
frames of one size and compares what comes back with what must.  Both ends of a
measurement are ours, so frames are short, unfragmented and never compressed.
"""
