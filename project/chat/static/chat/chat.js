"use strict";

const log = document.getElementById("log");
const lines = log.querySelector("ol");
const nameField = document.getElementById("name");
const textField = document.getElementById("text");
const notice = document.getElementById("notice");
const longest = Number(textField.dataset.longest);
let lastSaid = "";

/* Show a message where it belongs, unless it is there: the same one may come twice. */
function add(message) {
  let before = lines.lastElementChild;
  while (before && Number(before.dataset.id) > message.id) before = before.previousElementSibling;
  if (before && Number(before.dataset.id) === message.id) return;
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const line = document.createElement("li");
  const name = document.createElement("b");
  const time = document.createElement("time");
  const text = document.createElement("p");
  line.dataset.id = message.id;
  name.textContent = message.name;
  text.textContent = message.text;
  showTime(time, message.time);
  line.classList.toggle("mine", message.name === nameField.value);
  line.append(name, " ", time, text);
  if (before) before.after(line);
  else lines.prepend(line);
  // Whoever reads further up is left there.
  if (atEnd) log.scrollTop = log.scrollHeight;
}

/* Ask for what was said while there was no socket, or before there was one. */
function catchUp() {
  const last = lines.lastElementChild;
  socket.send({ after: last ? Number(last.dataset.id) : 0 });
}

function receive(message) {
  if (message.error) {
    notice.textContent = message.error;
    // What was refused can be mended.
    if (!textField.value) textField.value = lastSaid;
  } else if (message.history) {
    message.history.forEach(add);
    if (message.more) catchUp();
  } else {
    add(message);
  }
}

function tooLong() {
  // Characters as Python counts them.
  const length = [...textField.value.trim()].length;
  return length > longest
    ? `That message is too long: it has ${length} characters, ${longest} are the most.`
    : "";
}

const socket = liveSocket(location.pathname, receive, catchUp);

nameField.value = localStorage.getItem("chat-name") || "";
(nameField.value ? textField : nameField).focus();
log.scrollTop = log.scrollHeight;

textField.addEventListener("input", () => {
  notice.textContent = tooLong();
});

document.getElementById("say").addEventListener("submit", (event) => {
  event.preventDefault();
  localStorage.setItem("chat-name", nameField.value);
  notice.textContent = tooLong();
  if (notice.textContent) return;
  const sent = socket.send({ name: nameField.value, text: textField.value });
  // What could not be sent stays in the field.
  if (!sent) {
    notice.textContent = "Not connected: try again in a moment.";
    return;
  }
  lastSaid = textField.value;
  textField.value = "";
});
