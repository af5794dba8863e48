from django.urls import path

from liveblog import views

app_name = "liveblog"

urlpatterns = [
    path("", views.index, name="index"),
    path("<slug:slug>/", views.page, name="page"),
    path("<slug:slug>/write/", views.write, name="write"),
]
