from django.contrib.auth import logout
from django.contrib.auth.views import LoginView
from django.http import HttpResponse
from django.urls import include, re_path


def leave(request):
    logout(request)
    return HttpResponse("bye")


urlpatterns = [
    re_path(r"^$", lambda request: HttpResponse("hello %s" % request.user)),
    re_path(r"^login/$", LoginView.as_view(), name="login"),
    re_path(r"^logout/$", leave),
    re_path(r"^liveblog/", include("liveblog.urls")),
    re_path(r"^uploads/", include("uploads.urls")),
    re_path(r"^chat/", include("chat.urls")),
]
