import json

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.utils.encoding import force_str
from django.views.decorators.csrf import csrf_exempt

from channels import Group

from .models import Upload


@csrf_exempt
@login_required
def upload(request):
    if request.method != "POST":
        return HttpResponse(status=405)
    group = Group("user-%s" % request.user.username)
    for posted in request.FILES.getlist("file"):
        size = sum(len(chunk) for chunk in posted.chunks())
        saved = Upload.objects.create(owner=request.user, name=force_str(posted.name), size=size)
        group.send(
            {
                "text": json.dumps(
                    {
                        "id": saved.pk,
                        "name": saved.name,
                        "size": saved.size,
                    }
                )
            }
        )
    return JsonResponse({"files": len(request.FILES.getlist("file"))}, status=201)
