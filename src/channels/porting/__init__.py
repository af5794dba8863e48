"""Finds what a Channels 1 code base must change to run on today's Django, and changes it.

Run as ``python -m channels.porting PATH`` (needs no working project) or, once
the project starts, as ``manage.py channels_port PATH``.  Nothing of the code
that is looked at is ever imported or run.

=============  ==============================================================
``cli``        arguments in, report and exit status out
``tree``       which files there are; reading and writing one
``scan``       from files to findings, and to new texts
``upgrade``    what django-upgrade and pyupgrade make of a file
``module``     a parsed Python file: positions, and what names stand for
``project``    what the files of a project say about one another
``moved``      names that have moved, as tables, and what is installed
``rules_*``    rules for Python code that the two leave: one function for each
``texts``      rules for requirements, process files, templates
=============  ==============================================================

Needs django-upgrade and pyupgrade: the extra ``porting``.
"""
