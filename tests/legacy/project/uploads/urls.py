from django.urls import re_path

from .views import upload

urlpatterns = [
    re_path(r"^$", upload, name="upload"),
]
