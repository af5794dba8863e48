"""Pages of the demo project."""

from django.conf import settings
from django.contrib import admin
from django.contrib.staticfiles.views import serve
from django.urls import include, path
from django.views.generic import TemplateView

index = TemplateView.as_view(
    template_name="index.html", extra_context={"redis": bool(settings.REDIS_URL)}
)

urlpatterns = [
    path("", index, name="index"),
    path("chat/", include("chat.urls")),
    path("liveblog/", include("liveblog.urls")),
    path("admin/", admin.site.urls),
    # With DEBUG, runserver and workers serve static files before they look here.  Without, a
    # site with many visitors has nginx or a CDN do this, from STATIC_ROOT.
    path(settings.STATIC_URL.lstrip("/") + "<path:path>", serve, {"insecure": True}),
]
