"""Conformance of what only our own processes use of a layer: inherit a class, supply fixtures.

``WorkerClientConformance``, ``ServerClientConformance`` and ``UndecodableConformance`` (for layers
that store bytes, which can be damaged) take the fixtures and knobs of
``channels.layers.conformance.LayerConformance``.  ``UndecodableConformance`` needs one more:
``spoil(layer, channel)`` makes the content of the first frame that waits on the channel
unreadable, but not its header.  ``open_sockets(layer, mailbox)`` may be overridden: it returns
the local parts of the sockets that a server has written down.
"""
