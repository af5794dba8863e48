from django.urls import path, re_path

from chat import views

app_name = "chat"

urlpatterns = [
    path("", views.index, name="index"),
    # Not <slug:…>, which is ASCII: a room's name is in any script.
    re_path(r"^(?P<room>[-\w]{1,50})/$", views.room, name="room"),
]
