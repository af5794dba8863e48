"""Finds what a Channels 1 code base must change to run on today's Django, and changes it.

Run as ``python -m channels.porting PATH`` (needs no working project) or, once
the project starts, as ``manage.py channels_port PATH``.  Nothing of the code
that is looked at is ever imported or run.

=================  ==========================================================
``cli``            arguments in, report and exit status out
``tree``           which files there are; reading and writing one
``scan``           from files to findings, and to new texts
``analysis``       a parsed Python file: positions, and what names stand for
``moved*``         names that have moved, as tables
``imports``        the rule that follows that table
``relevance``      whether a file is worth parsing
``branches``       code that never runs today
``rules_*``        rules for Python code: one function for each
``packages``       what may be required, in which versions
``texts``          requirements, process files, templates
``routes``         which consumers handle what; ``urlconfs``: which URLs have names
=================  ==========================================================

Needs libcst: the extra ``porting``.
"""
