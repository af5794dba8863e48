"use strict";

/*
 * A WebSocket that comes back by itself, with the state shown in the page's header.
 *
 * onMessage is called with each message; onOpen each time that the socket is there,
 * to get what the page has missed: nobody keeps messages for a socket that is away.
 */
function liveSocket(path, onMessage, onOpen) {
  const badge = document.getElementById("connection");
  const scheme = location.protocol === "https:" ? "wss://" : "ws://";
  let delay = 500;
  let socket = null;

  function show(text, open) {
    // Only what has changed is read out.
    if (badge.textContent !== text) badge.textContent = text;
    badge.classList.toggle("open", open);
  }

  function connect() {
    socket = new WebSocket(scheme + location.host + path);
    socket.onopen = () => {
      delay = 500;
      show("connected", true);
      onOpen();
    };
    socket.onmessage = (event) => onMessage(JSON.parse(event.data));
    socket.onclose = () => {
      show("reconnecting", false);
      // Jitter: a server that restarts must not see every client in the same instant.
      setTimeout(connect, delay * (0.5 + Math.random()));
      delay = Math.min(delay * 2, 5000);
    };
  }

  show("connecting", false);
  connect();
  return {
    send(content) {
      if (socket.readyState !== WebSocket.OPEN) return false;
      socket.send(JSON.stringify(content));
      return true;
    },
  };
}

/* Times arrive in UTC and are shown in the reader's own zone. */
function showTime(element, iso) {
  const time = new Date(iso);
  element.dateTime = iso;
  element.textContent = time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  element.title = time.toLocaleString();
}

document.querySelectorAll("time[datetime]").forEach((element) => showTime(element, element.dateTime));
