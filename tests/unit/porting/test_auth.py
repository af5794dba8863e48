"""The views of django.contrib.auth are classes."""

import pytest

FIXED = {
    "functions": (
        "from django.conf.urls import url\n"
        "from django.contrib.auth.views import login, logout\n"
        "urlpatterns = [\n"
        "    url('^a/$', login, {'template_name': 'a.html'}, name='login'),\n"
        "    url('^b/$', view=logout, kwargs={'next_page': b}),\n"
        "    url('^c/$', login),\n"
        "]\n",
        "from django.urls import re_path\n"
        "from django.contrib.auth.views import LogoutView, LoginView\n"
        "urlpatterns = [\n"
        "    re_path('^a/$', LoginView.as_view(template_name='a.html'), name='login'),\n"
        "    re_path('^b/$', view=LogoutView.as_view(next_page=b)),\n"
        "    re_path('^c/$', LoginView.as_view()),\n"
        "]\n",
    ),
    "functions of a module": (
        "from django.urls import re_path\nfrom django.contrib.auth import views as v\n"
        "re_path('a', v.password_reset, {'post_reset_redirect': 'b', 'password_reset_form': F})\n",
        "from django.urls import re_path\nfrom django.contrib.auth import views as v\n"
        "re_path('a', v.PasswordResetView.as_view(success_url='b', form_class=F))\n",
    ),
}


@pytest.mark.parametrize(("before", "after"), FIXED.values(), ids=FIXED)
def test_a_view_is_fixed(code, before, after):
    fixed = code.fixed(before)

    assert fixed == after
    assert code.one(fixed).findings == []


TOLD = [
    "from django.contrib.auth import views\nre_path('a', views.login, {'current_app': 'b'})\n",
    "from django.contrib.auth import views\nre_path('a', views.login, options)\n",
]


@pytest.mark.parametrize("text", TOLD)
def test_a_view_with_options_that_are_not_known_is_told_and_left(code, text):
    text = "from django.urls import re_path\n" + text

    found = code.one(text)

    assert {one.rule for one in found.findings} == {"moved", "auth-view"}
    assert found.fixed == text


@pytest.mark.parametrize("view", ["views.login", "LoginView.as_view()", "login"])
def test_other_views_are_left_alone(code, view):
    text = f"from django.urls import re_path\nfrom app import views\nre_path('a', {view})\n"

    assert code.one(text).findings == []
