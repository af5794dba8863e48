from django.contrib import admin

from liveblog.models import Liveblog, Post


@admin.register(Liveblog)
class LiveblogAdmin(admin.ModelAdmin):
    prepopulated_fields = {"slug": ["title"]}


@admin.register(Post)
class PostAdmin(admin.ModelAdmin):
    list_display = ["__str__", "liveblog", "created"]

    def delete_queryset(self, request, queryset):
        # A queryset's own delete() would not call the model's, and pages would keep the posts.
        for post in queryset:
            post.delete()
