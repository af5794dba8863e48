from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.csrf import csrf_exempt

from .models import Liveblog, Post


def liveblog(request, slug):
    blog = get_object_or_404(Liveblog, slug=slug)
    return render(
        request,
        "liveblog.html",
        {
            "liveblog": blog,
            "posts": blog.posts.all()[:20],
        },
    )


@csrf_exempt
def write(request, slug):
    blog = get_object_or_404(Liveblog, slug=slug)
    post = Post(liveblog=blog, body=request.POST["body"])
    post.save()
    return JsonResponse({"id": post.id})


@csrf_exempt
def remove(request, slug, pk):
    get_object_or_404(Post, liveblog__slug=slug, pk=pk).delete()
    return HttpResponse(status=204)
