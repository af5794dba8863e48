from django.urls import re_path

from tests.legacy.site import views

urlpatterns = [
    re_path(r"^start/(?P<number>\d+)/$", views.start),
    re_path(r"^hopeless/$", views.start_hopeless),
    re_path(r"^announce/$", views.announce),
    re_path(r"^later/$", views.later),
    re_path(r"^name/(\w+)/$", views.name),
    re_path(r"^who/$", views.who),
    re_path(r"^broken/$", views.broken),
]
