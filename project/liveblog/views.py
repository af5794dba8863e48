from django.forms import modelform_factory
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_POST

from liveblog.models import Liveblog, Post

PostForm = modelform_factory(Post, fields=["body"])


def index(request):
    return render(request, "liveblog/index.html", {"liveblogs": Liveblog.objects.all()})


def page(request, slug):
    liveblog = get_object_or_404(Liveblog, slug=slug)
    return render(
        request, "liveblog/page.html", {"liveblog": liveblog, "posts": liveblog.posts.all()[:50]}
    )


@require_POST
def write(request, slug):
    """Save a post; the page shows it when the socket brings it, as every other page does."""
    form = PostForm(request.POST, instance=Post(liveblog=get_object_or_404(Liveblog, slug=slug)))
    if not form.is_valid():
        return HttpResponseBadRequest(" ".join(form.errors["body"]), content_type="text/plain")
    form.save()
    return HttpResponse(status=204)
