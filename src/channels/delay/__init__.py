"""Messages that are to be delivered later: a Django application and its process, ``rundelay``.

An application sends ``{"channel": …, "content": …, "delay": milliseconds}`` to the channel
``asgi.delay``; the delay worker writes it into the database and sends the content to the
channel once it is due (docs/channels1.md#delayed-messages).  Add
``"channels.delay"`` to ``INSTALLED_APPS``, migrate, and run ``manage.py rundelay`` somewhere:
one process or several, each message is delivered by one of them.
"""
