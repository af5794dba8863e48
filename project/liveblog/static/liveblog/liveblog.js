"use strict";

const posts = document.getElementById("posts");
const form = document.getElementById("write");
const notice = document.getElementById("notice");

function find(id) {
  return document.getElementById("post-" + id);
}

function build(post) {
  const article = document.createElement("article");
  const time = document.createElement("time");
  const body = document.createElement("p");
  article.className = "panel post new";
  article.id = "post-" + post.id;
  body.textContent = post.body;
  showTime(time, post.time);
  article.append(time, body);
  return article;
}

/* What comes while the page catches up waits for that; otherwise null. */
let waiting = null;
let lastTurn = 0;

function receive(post) {
  if (waiting) {
    waiting.push(post);
    return;
  }
  const shown = find(post.id);
  if (post.deleted) {
    if (shown) shown.remove();
  } else if (shown) {
    shown.replaceWith(build(post));
  } else {
    posts.prepend(build(post));
  }
}

/* Make the posts those of a newer copy of the page; what has not changed is left alone. */
function adopt(newer) {
  const kept = new Set();
  let before = null;
  for (const article of newer.querySelectorAll(".post")) {
    kept.add(article.id);
    let shown = document.getElementById(article.id);
    const body = article.querySelector("p").textContent;
    if (!shown || shown.querySelector("p").textContent !== body) {
      const id = article.id.replace("post-", "");
      const fresh = build({ id, body, time: article.querySelector("time").dateTime });
      if (shown) shown.replaceWith(fresh);
      else if (before) before.after(fresh);
      else posts.prepend(fresh);
      shown = fresh;
    }
    before = shown;
  }
  for (const article of posts.querySelectorAll(".post")) {
    if (!kept.has(article.id)) article.remove();
  }
}

/*
 * Get what was written, changed and deleted while there was no socket, or before there was one:
 * from the page itself.  What the socket brings meanwhile may be newer, so it comes after that.
 */
async function catchUp() {
  const turn = ++lastTurn;
  waiting = waiting || [];
  let newer = null;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (answer.ok) newer = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch (error) {
    // The socket has gone again, or will: the next one catches up.
  }
  if (turn !== lastTurn) return; // a later one is on its way
  if (newer) adopt(newer);
  const late = waiting;
  waiting = null;
  late.forEach(receive);
}

liveSocket(location.pathname, receive, catchUp);

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  notice.textContent = "";
  try {
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
    if (!answer.ok) throw new Error(await answer.text());
    form.reset();
  } catch (error) {
    notice.textContent = "Not saved: " + error.message;
  }
});
