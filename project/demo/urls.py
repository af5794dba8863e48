"""Pages of the demo project."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import TemplateView

urlpatterns = [
    path("", TemplateView.as_view(template_name="index.html"), name="index"),
    path("chat/", include("chat.urls")),
    path("liveblog/", include("liveblog.urls")),
    path("admin/", admin.site.urls),
]
