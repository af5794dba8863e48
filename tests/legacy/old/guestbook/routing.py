from channels.staticfiles import StaticFilesConsumer

channel_routing = {
    # This makes Django serve static files from settings.STATIC_URL
    "http.request": StaticFilesConsumer(),
    # Wire up websocket channels to our consumers:
    "websocket.connect": "guestbook.consumers.ws_connect",
    "websocket.receive": "guestbook.consumers.ws_message",
    "websocket.disconnect": "guestbook.consumers.ws_disconnect",
    "guestbook-entries": "guestbook.consumers.store_entry",
}
