/* ReconnectingWebSocket: like a WebSocket, but it comes back. */

import assert from "node:assert/strict";
import test from "node:test";

import { ReconnectingWebSocket } from "../../src/channels/static/channels/js/websocketbridge.mjs";
import { FakeWebSocket, page, record } from "./fakes.mjs";

const URL_ = "ws://example.test/";

function types(seen) {
  return seen.map(([type]) => type);
}

/* The waits before each of `count` further attempts that all fail at once. */
function waits(clock, count) {
  return Array.from({ length: count }, () => {
    FakeWebSocket.last.fails();
    const wait = clock.next;
    clock.advance(wait);
    return wait;
  });
}

// -- like a WebSocket -------------------------------------------------------------

test("it needs new", () => {
  assert.throws(() => ReconnectingWebSocket(URL_), TypeError);
});

test("without any WebSocket it says what to do", (t) => {
  page(t);
  delete globalThis.WebSocket;

  assert.throws(() => new ReconnectingWebSocket(URL_, [], {}), /constructor/);
});

test("what the browser refuses is thrown", (t) => {
  page(t);
  class Refusing {
    constructor() {
      throw new SyntaxError("no such scheme");
    }
  }

  assert.throws(() => new ReconnectingWebSocket("x", [], { constructor: Refusing }), SyntaxError);
});

test("its properties are those of the connection", (t) => {
  page(t);
  const socket = new ReconnectingWebSocket(URL_);
  Object.assign(FakeWebSocket.last, { protocol: "json", bufferedAmount: 7 });

  assert.equal(socket.url, URL_);
  assert.equal(socket.protocol, "json");
  assert.equal(socket.extensions, "permessage-deflate");
  assert.equal(socket.bufferedAmount, 7);
  assert.equal(socket.readyState, socket.CONNECTING);
  FakeWebSocket.last.opens();
  assert.equal(socket.readyState, ReconnectingWebSocket.OPEN);
  FakeWebSocket.last.drops();
  assert.equal(socket.readyState, socket.CLOSED);
  assert.deepEqual([socket.CONNECTING, socket.OPEN, socket.CLOSING, socket.CLOSED], [0, 1, 2, 3]);
});

test("the binary type is carried over", (t) => {
  const clock = page(t);
  const socket = new ReconnectingWebSocket(URL_);

  assert.equal(socket.binaryType, "blob");
  socket.binaryType = "arraybuffer";
  assert.equal(FakeWebSocket.last.binaryType, "arraybuffer");
  FakeWebSocket.last.drops();
  clock.advance(1500);

  assert.equal(FakeWebSocket.made.length, 2);
  assert.equal(FakeWebSocket.last.binaryType, "arraybuffer");
  assert.equal(socket.binaryType, "arraybuffer");
});

test("data is sent at once, on the connection of the moment", (t) => {
  const clock = page(t);
  const socket = new ReconnectingWebSocket(URL_);

  socket.send("one");
  FakeWebSocket.last.drops();
  clock.advance(1500);
  socket.send("two");

  assert.deepEqual(FakeWebSocket.made.map((made) => made.sent), [["one"], ["two"]]);
});

test("listeners see the events of every connection", (t) => {
  const clock = page(t);
  const seen = record(new ReconnectingWebSocket(URL_));

  FakeWebSocket.last.opens();
  FakeWebSocket.last.delivers("one");
  FakeWebSocket.last.fails();
  clock.advance(1500);
  FakeWebSocket.last.opens();
  FakeWebSocket.last.delivers("two");

  assert.deepEqual(types(seen), ["open", "message", "error", "close", "open", "message"]);
  assert.deepEqual([seen[1][1].data, seen[5][1].data], ["one", "two"]);
  assert.equal(seen[3][1].code, 1006);
});

test("handlers are carried over", (t) => {
  const clock = page(t);
  const socket = new ReconnectingWebSocket(URL_);
  const seen = [];
  for (const type of ["open", "message", "error", "close"]) {
    assert.equal(socket[`on${type}`], null);
    socket[`on${type}`] = (event) => seen.push(event.type);
  }

  FakeWebSocket.last.opens();
  FakeWebSocket.last.fails();
  clock.advance(1500);
  FakeWebSocket.last.opens();
  FakeWebSocket.last.delivers("x");

  assert.deepEqual(seen, ["open", "error", "close", "open", "message"]);
});

test("a listener that was removed stays removed", (t) => {
  const clock = page(t);
  const socket = new ReconnectingWebSocket(URL_);
  const seen = [];
  const listener = () => seen.push("open");
  socket.addEventListener("open", listener);

  FakeWebSocket.last.opens();
  socket.removeEventListener("open", listener);
  FakeWebSocket.last.drops();
  clock.advance(1500);
  FakeWebSocket.last.opens();

  assert.deepEqual(seen, ["open"]);
});

test("listeners are added once, may be objects, and may ask to be told once", (t) => {
  page(t);
  const socket = new ReconnectingWebSocket(URL_);
  const seen = [];
  const object = { handleEvent: (event) => seen.push(`object ${event.data}`) };
  socket.addEventListener("message", object);
  socket.addEventListener("message", object);
  socket.addEventListener("message", (event) => seen.push(`once ${event.data}`), { once: true });
  socket.addEventListener("nonsense", () => {});
  socket.removeEventListener("nonsense", () => {});
  socket.addEventListener("message", null);

  FakeWebSocket.last.delivers("1");
  FakeWebSocket.last.delivers("2");

  assert.deepEqual(seen, ["object 1", "once 1", "object 2"]);
});

test("handlers and listeners are called on it", (t) => {
  page(t);
  const socket = new ReconnectingWebSocket(URL_);
  const seen = [];
  socket.onopen = function () {
    seen.push(this);
  };
  socket.addEventListener("open", function () {
    seen.push(this);
  });

  FakeWebSocket.last.opens();

  assert.deepEqual(seen.map((one) => one === socket), [true, true]);
});

test("events can be dispatched on it", (t) => {
  page(t);
  const seen = record(new ReconnectingWebSocket(URL_));
  const socket = new ReconnectingWebSocket(URL_);
  const own = record(socket);

  assert.equal(socket.dispatchEvent(new Event("message")), true);

  assert.deepEqual(types(own), ["message"]);
  assert.deepEqual(seen, []);
});

test("an error in a listener is reported and harms nobody else", (t) => {
  const clock = page(t);
  const socket = new ReconnectingWebSocket(URL_);
  socket.onclose = () => {
    throw new Error("in a listener");
  };
  const seen = record(socket);

  FakeWebSocket.last.drops();

  assert.deepEqual(types(seen), ["close"]);
  assert.throws(() => clock.advance(0), /in a listener/);
  clock.advance(1500);
  assert.equal(FakeWebSocket.made.length, 2);
});

// -- coming back ------------------------------------------------------------------

test("the same address and protocols are used again", (t) => {
  const clock = page(t);
  new ReconnectingWebSocket(URL_, ["a", "b"]);

  FakeWebSocket.last.drops();
  clock.advance(1500);

  assert.deepEqual(FakeWebSocket.made.map((made) => made.args), [
    [URL_, ["a", "b"]],
    [URL_, ["a", "b"]],
  ]);
});

for (const [random, first] of [
  [0, 1500],
  [0.5, 2250],
  [0.999, 2998.5],
]) {
  test(`the first wait is 1500 to 3000 ms by chance: ${first} for ${random}`, (t) => {
    const clock = page(t, undefined, random);
    new ReconnectingWebSocket(URL_);

    FakeWebSocket.last.drops();
    clock.advance(first - 1);
    assert.equal(FakeWebSocket.made.length, 1);
    clock.advance(1);

    assert.equal(FakeWebSocket.made.length, 2);
  });
}

test("waits grow by 1.3 up to 10 seconds", (t) => {
  const clock = page(t);
  new ReconnectingWebSocket(URL_);

  const seen = waits(clock, 10).map(Math.round);

  assert.deepEqual(seen, [1500, 1950, 2535, 3296, 4284, 5569, 7240, 9412, 10000, 10000]);
});

test("waits are as the options say", (t) => {
  const clock = page(t, undefined, 0.5);
  new ReconnectingWebSocket(URL_, [], {
    minReconnectionDelay: 100,
    reconnectionDelayGrowFactor: 2,
    maxReconnectionDelay: 500,
  });

  assert.deepEqual(waits(clock, 4), [150, 300, 500, 500]);
});

test("no wait is longer than the longest, not even the first", (t) => {
  const clock = page(t, undefined, 0.5);
  new ReconnectingWebSocket(URL_, [], { minReconnectionDelay: 100, maxReconnectionDelay: 120 });

  assert.deepEqual(waits(clock, 2), [120, 120]);
});

test("after a connection the waits begin anew, with a new chance", (t) => {
  const clock = page(t);
  new ReconnectingWebSocket(URL_);
  waits(clock, 3);

  Math.random = () => 0.5;
  FakeWebSocket.last.opens();

  assert.deepEqual(waits(clock, 1), [2250]);
});

// -- giving up --------------------------------------------------------------------

test("an attempt that takes 4 seconds is given up with ETIMEDOUT, and followed by another", (t) => {
  const clock = page(t);
  const seen = record(new ReconnectingWebSocket(URL_));

  clock.advance(3999);
  assert.deepEqual(FakeWebSocket.last.closed, []);
  clock.advance(1);
  assert.equal(FakeWebSocket.last.closed.length, 1);
  assert.deepEqual([types(seen), seen[0][1].code], [["error"], "ETIMEDOUT"]);
  assert.ok(seen[0][1] instanceof Error);

  FakeWebSocket.last.drops();
  clock.advance(1500);
  assert.equal(FakeWebSocket.made.length, 2);
});

test("the time for an attempt is an option", (t) => {
  const clock = page(t);
  const seen = record(new ReconnectingWebSocket(URL_, [], { connectionTimeout: 50 }));

  clock.advance(50);

  assert.equal(seen[0][1].code, "ETIMEDOUT");
});

test("an open connection has all the time of the world", (t) => {
  const clock = page(t);
  const seen = record(new ReconnectingWebSocket(URL_));

  FakeWebSocket.last.opens();
  clock.advance(1e9);

  assert.deepEqual(types(seen), ["open"]);
  assert.deepEqual(FakeWebSocket.last.closed, []);
});

test("a refused attempt is not timed out as well", (t) => {
  const clock = page(t);
  const seen = record(new ReconnectingWebSocket(URL_, [], { maxRetries: 0 }));

  FakeWebSocket.last.drops();
  clock.advance(1e6);

  assert.deepEqual(seen.map(([type, event]) => [type, event.code]), [
    ["close", 1006],
    ["error", "EHOSTDOWN"],
  ]);
});

test("when maxRetries is used up it says EHOSTDOWN and stops", (t) => {
  const clock = page(t);
  const seen = record(new ReconnectingWebSocket(URL_, [], { maxRetries: 2 }));

  waits(clock, 2);
  FakeWebSocket.last.drops();
  clock.advance(1e6);

  assert.equal(FakeWebSocket.made.length, 3);
  assert.deepEqual(types(seen), ["error", "close", "error", "close", "close", "error"]);
  assert.equal(seen.at(-1)[1].code, "EHOSTDOWN");
});

test("a connection gives all retries back", (t) => {
  const clock = page(t);
  new ReconnectingWebSocket(URL_, [], { maxRetries: 1 });

  waits(clock, 1);
  FakeWebSocket.last.opens();
  waits(clock, 1);

  assert.equal(FakeWebSocket.made.length, 3);
});

test("it never gives up by itself", (t) => {
  const clock = page(t);
  new ReconnectingWebSocket(URL_);

  waits(clock, 500);

  assert.equal(FakeWebSocket.made.length, 501);
});

// -- closing ----------------------------------------------------------------------

test("closing tells the listeners at once and connects anew", (t) => {
  const clock = page(t);
  const socket = new ReconnectingWebSocket(URL_);
  const seen = record(socket);
  const [first] = FakeWebSocket.made;
  first.opens();

  socket.close();

  assert.deepEqual(first.closed, [[1000, ""]]);
  assert.deepEqual(types(seen), ["open", "close"]);
  assert.deepEqual({ ...seen[1][1] }, { type: "close", code: 1000, reason: "", wasClean: true });
  assert.equal(socket.readyState, socket.CLOSED);
  first.drops(1000);
  first.delivers("late");
  assert.deepEqual(types(seen), ["open", "close"]);
  clock.advance(1500);
  assert.equal(FakeWebSocket.made.length, 2);
});

test("code and reason are passed on", (t) => {
  page(t);
  const socket = new ReconnectingWebSocket(URL_);
  const seen = record(socket);

  socket.close(4001, "bye");

  assert.deepEqual(FakeWebSocket.last.closed, [[4001, "bye"]]);
  assert.deepEqual([seen[0][1].code, seen[0][1].reason], [4001, "bye"]);
});

test("a code that the browser refuses changes nothing", (t) => {
  page(t);
  const socket = new ReconnectingWebSocket(URL_);
  const seen = record(socket);
  FakeWebSocket.last.close = () => {
    throw new RangeError("no such code");
  };

  assert.throws(() => socket.close(1, "", { keepClosed: true }), RangeError);
  FakeWebSocket.last.opens();

  assert.deepEqual(types(seen), ["open"]);
});

test("a slow close waits for the other side", (t) => {
  const clock = page(t);
  const socket = new ReconnectingWebSocket(URL_);
  const seen = record(socket);
  FakeWebSocket.last.opens();

  socket.close(1000, "", { fastClose: false });
  clock.advance(1e6);
  assert.deepEqual(types(seen), ["open"]);
  assert.equal(socket.readyState, socket.CLOSING);

  FakeWebSocket.last.drops(1000);
  assert.deepEqual(types(seen), ["open", "close"]);
  clock.advance(1500);
  assert.equal(FakeWebSocket.made.length, 2);
});

for (const fastClose of [true, false]) {
  test(`keepClosed keeps it closed, fastClose ${fastClose}`, (t) => {
    const clock = page(t);
    const socket = new ReconnectingWebSocket(URL_);
    const seen = record(socket);
    FakeWebSocket.last.opens();

    socket.close(1000, "", { keepClosed: true, fastClose });
    FakeWebSocket.last.drops(1000);
    clock.advance(1e6);

    assert.equal(FakeWebSocket.made.length, 1);
    assert.deepEqual(types(seen), ["open", "close"]);
  });
}

test("the wait after a close can be given, for that time", (t) => {
  const clock = page(t);
  const socket = new ReconnectingWebSocket(URL_);

  socket.close(1000, "", { delay: 60 });
  clock.advance(60);
  assert.equal(FakeWebSocket.made.length, 2);
  FakeWebSocket.last.opens();

  assert.deepEqual(waits(clock, 1), [1500]);
});

test("keepClosed between two attempts prevents the next one", (t) => {
  const clock = page(t);
  const socket = new ReconnectingWebSocket(URL_);
  const seen = record(socket);
  FakeWebSocket.last.drops();

  socket.close(1000, "", { keepClosed: true });
  clock.advance(1e6);

  assert.equal(FakeWebSocket.made.length, 1);
  assert.deepEqual(types(seen), ["close"]);
});

test("keepClosed works from within a close handler", (t) => {
  const clock = page(t);
  const socket = new ReconnectingWebSocket(URL_);
  socket.onclose = () => socket.close(1000, "", { keepClosed: true });

  FakeWebSocket.last.drops();
  clock.advance(1e6);

  assert.equal(FakeWebSocket.made.length, 1);
});

test("closing between two attempts lets the next one come, or moves it", (t) => {
  const clock = page(t);
  const socket = new ReconnectingWebSocket(URL_);
  FakeWebSocket.last.drops();

  socket.close();
  assert.equal(clock.next, 1500);
  socket.close(1000, "", { delay: 50 });
  clock.advance(50);
  assert.equal(FakeWebSocket.made.length, 2);
  FakeWebSocket.last.opens();
  clock.advance(1e6);

  assert.equal(FakeWebSocket.made.length, 2);
});

test("what was kept closed comes back when closed without keepClosed", (t) => {
  const clock = page(t);
  const socket = new ReconnectingWebSocket(URL_);
  socket.close(1000, "", { keepClosed: true });
  clock.advance(1e6);

  socket.close();
  clock.advance(1500);

  assert.equal(FakeWebSocket.made.length, 2);
});

// -- telling ----------------------------------------------------------------------

for (const debug of [true, false, undefined]) {
  test(`what happens is written to the console if debug: ${debug}`, (t) => {
    page(t);
    const lines = [];
    t.mock.method(console, "log", (...what) => lines.push(what.join(" ")));

    new ReconnectingWebSocket(URL_, [], debug === undefined ? {} : { debug });
    FakeWebSocket.last.drops();

    assert.equal(lines.some((line) => line.includes(URL_)), Boolean(debug));
    assert.equal(lines.length > 0, Boolean(debug));
  });
}
