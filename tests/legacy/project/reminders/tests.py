from unittest import mock

from django.utils import timezone

from channels import DEFAULT_CHANNEL_LAYER, channel_layers
from channels.delay.models import DelayedMessage
from channels.delay.worker import Worker
from channels.test import ChannelTestCase, WSClient


class PatchedWorker(Worker):
    """Worker with specific numbers of loops"""

    def get_termed(self):
        if not self.__iters:
            return True
        self.__iters -= 1
        return False

    def set_termed(self, value):
        self.__iters = value

    termed = property(get_termed, set_termed)


class ReminderTests(ChannelTestCase):
    def run_delay_worker(self):
        worker = PatchedWorker(channel_layers[DEFAULT_CHANNEL_LAYER])
        worker.termed = 1
        worker.run()

    def test_remind(self):
        client = WSClient()
        client.send_and_consume("websocket.connect", path="/reminders/")
        client.send_and_consume("websocket.receive", text="tea in 60000", path="/reminders/")
        self.run_delay_worker()
        self.assertEqual(DelayedMessage.objects.count(), 1)
        self.assertEqual(DelayedMessage.objects.is_due().count(), 0)

        with mock.patch(
            "django.utils.timezone.now", return_value=timezone.now() + timezone.timedelta(minutes=2)
        ):
            self.run_delay_worker()
        self.assertEqual(DelayedMessage.objects.count(), 0)
        client.consume("reminders.due")
        self.assertEqual(client.receive(), {"due": "tea"})
