"""The same small application for each stack: echo, broadcast, hello.

=============  =====================================================================
``/echo/``     a WebSocket that sends back what came
``/accept/``   the same; a consumer accepts it
``/group/``    greets with ``joined``, and sends what came to all of its kind
``/slow/``     sends back what came, 50 ms later
``/user/``     sends back what came, if that is from the logged-in user
``/hello/X/``  a page that says hello to X
=============  =====================================================================
"""

#: Seconds that the consumer of ``/slow/`` waits, as for a database.
SLOW = 0.05

#: Who is logged in at ``/user/``.
USERNAME = "bench"
