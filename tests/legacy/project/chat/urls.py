from django.urls import re_path

from .views import announce

urlpatterns = [
    re_path(r"^announce/(?P<room_id>\d+)/$", announce),
]
