"use strict";

const posts = document.getElementById("posts");
const form = document.getElementById("write");
const notice = document.getElementById("notice");

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

liveSocket(location.pathname, (post) => {
  const shown = document.getElementById("post-" + post.id);
  if (post.deleted) {
    if (shown) shown.remove();
  } else if (shown) {
    shown.replaceWith(build(post));
  } else {
    posts.prepend(build(post));
  }
});

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
