"""URLs of a project whose error page has an error."""

from tests.unit.handler.views import broken_handler, urlpatterns

__all__ = ["handler500", "urlpatterns"]

handler500 = broken_handler
