"""The commands ``runserver``, ``runworker`` and ``channels_port``."""
