"use strict";

const log = document.getElementById("log");
const nameField = document.getElementById("name");
const textField = document.getElementById("text");
const notice = document.getElementById("notice");

function add(message) {
  const line = document.createElement("li");
  const name = document.createElement("b");
  const time = document.createElement("time");
  const text = document.createElement("p");
  name.textContent = message.name;
  text.textContent = message.text;
  showTime(time, message.time);
  line.classList.toggle("mine", message.name === nameField.value);
  line.append(name, " ", time, text);
  log.append(line);
  log.scrollTop = log.scrollHeight;
}

const socket = liveSocket(location.pathname, (message) => {
  if (message.error) {
    notice.textContent = message.error;
    return;
  }
  notice.textContent = "";
  add(message);
});

nameField.value = localStorage.getItem("chat-name") || "";
(nameField.value ? textField : nameField).focus();
if (!log.querySelector("li")) log.textContent = "";
log.scrollTop = log.scrollHeight;

document.getElementById("say").addEventListener("submit", (event) => {
  event.preventDefault();
  localStorage.setItem("chat-name", nameField.value);
  const sent = socket.send({ name: nameField.value, text: textField.value });
  // What could not be sent stays in the field.
  if (sent) textField.value = "";
  notice.textContent = sent ? "" : "Not connected: try again in a moment.";
});
