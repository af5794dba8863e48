from channels.binding.websockets import WebsocketBinding, WebsocketBindingWithMembers

from .models import Card, IntegerValue


class IntegerValueBinding(WebsocketBinding):
    model = IntegerValue
    stream = "intval"
    fields = ["name", "value"]

    @classmethod
    def group_names(cls, instance):
        return ["intval-updates"]

    def has_permission(self, user, action, pk):
        return action != "delete"


class CardBinding(WebsocketBindingWithMembers):
    model = Card
    stream = "cards"
    exclude = ["secret"]
    send_members = ["owner.get_username"]

    @classmethod
    def group_names(cls, instance):
        return ["cards-%s" % instance.column]

    def has_permission(self, user, action, pk):
        return user.is_authenticated and (
            action == "create" or Card.objects.filter(pk=pk, owner=user).exists()
        )

    def create(self, data):
        data["owner"] = self.user.pk
        super(CardBinding, self).create(data)
