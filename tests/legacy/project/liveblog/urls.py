from django.urls import re_path

from .views import liveblog, remove, write

urlpatterns = [
    re_path(r"^(?P<slug>[^/]+)/$", liveblog),
    re_path(r"^(?P<slug>[^/]+)/write/$", write),
    re_path(r"^(?P<slug>[^/]+)/remove/(?P<pk>\d+)/$", remove),
]
