from channels import include
from tests.legacy.site import classes, progress, rawhttp, tasks

channel_routing = [
    include("tests.legacy.site.chat.routing", path=r"^/chat"),
    include(rawhttp.routing),
    include(tasks.routing),
    *classes.routing,
    *progress.routing,
]
