/* WebSocketBridge: addresses, listening, streams, sending. */

import assert from "node:assert/strict";
import test from "node:test";

import { WebSocketBridge } from "../../src/channels/static/channels/js/websocketbridge.mjs";
import { FakeWebSocket, page } from "./fakes.mjs";

function connected(t) {
  const clock = page(t);
  const bridge = new WebSocketBridge();
  bridge.connect("/ws/");
  FakeWebSocket.last.opens();
  // What a callback throws is reported by a timer: let it fail the test.
  return Object.assign(bridge, { settle: () => clock.advance(0) });
}

function calls() {
  const seen = [];
  return Object.assign((...args) => seen.push(args), { seen });
}

test("a new bridge has nothing yet", () => {
  const bridge = new WebSocketBridge();

  assert.equal(bridge.socket, null);
  assert.deepEqual(bridge.streams, {});
  assert.equal(bridge.default_cb, null);
  assert.deepEqual(bridge.options, {});
});

test("a bridge needs new", () => {
  assert.throws(() => WebSocketBridge(), TypeError);
});

test("the options are copied", () => {
  const options = { one: 1 };

  const bridge = new WebSocketBridge(options);
  options.one = 2;

  assert.deepEqual(bridge.options, { one: 1 });
});

for (const [address, url, expected] of [
  ["http://example.test:8000/room/", undefined, "ws://example.test:8000"],
  ["https://example.test/room/", undefined, "wss://example.test"],
  ["http://example.test/room/", "/ws/?a=1", "ws://example.test/ws/?a=1"],
  ["https://example.test:8443/", "/ws/", "wss://example.test:8443/ws/"],
  ["https://example.test/", "ws://other.test/ws/", "ws://other.test/ws/"],
]) {
  test(`on ${address} the address ${url} is ${expected}`, (t) => {
    page(t, address);

    new WebSocketBridge().connect(url);

    assert.deepEqual(FakeWebSocket.last.args, [expected]);
  });
}

test("protocols and options reach the socket", (t) => {
  const clock = page(t);
  class Other extends FakeWebSocket {}

  new WebSocketBridge().connect("/ws/", ["json"], { constructor: Other, connectionTimeout: 77 });

  assert.ok(FakeWebSocket.last instanceof Other);
  assert.deepEqual(FakeWebSocket.last.args, ["ws://example.test/ws/", ["json"]]);
  assert.equal(clock.next, 77);
});

test("listening needs a socket", () => {
  assert.throws(() => new WebSocketBridge().listen(() => {}), /connect/);
});

test("a message without a stream goes to the default callback", (t) => {
  const bridge = connected(t);
  const callback = calls();

  bridge.listen(callback);
  FakeWebSocket.last.delivers('{"type": "test", "payload": "message 1"}');

  assert.equal(bridge.default_cb, callback);
  assert.deepEqual(callback.seen, [[{ type: "test", payload: "message 1" }, null]]);
});

test("JSON that is no object goes to the default callback too", (t) => {
  const bridge = connected(t);
  const callback = calls();

  bridge.listen(callback);
  for (const text of ["null", "5", '"text"', "[1]"]) FakeWebSocket.last.delivers(text);

  assert.deepEqual(callback.seen, [
    [null, null],
    [5, null],
    ["text", null],
    [[1], null],
  ]);
});

test("a message without a stream is dropped if there is no default callback", (t) => {
  const bridge = connected(t);

  bridge.listen();
  FakeWebSocket.last.delivers('{"type": "test"}');

  bridge.settle();
});

test("a message of a stream goes to its callback only", (t) => {
  const bridge = connected(t);
  const [fallback, one, two] = [calls(), calls(), calls()];

  bridge.listen(fallback);
  bridge.demultiplex("one", one);
  bridge.demultiplex("two", two);
  FakeWebSocket.last.delivers('{"stream": "one", "payload": {"n": 1}}');

  assert.deepEqual(one.seen, [[{ n: 1 }, "one"]]);
  assert.deepEqual(two.seen, []);
  assert.deepEqual(fallback.seen, []);
});

test("streams may be registered before listening", (t) => {
  const bridge = connected(t);
  const callback = calls();

  bridge.demultiplex("one", callback);
  bridge.listen();
  FakeWebSocket.last.delivers('{"stream": "one", "payload": 1}');

  assert.deepEqual(callback.seen, [[1, "one"]]);
  assert.equal(bridge.streams.one, callback);
});

for (const stream of ["unknown", "__proto__", ""]) {
  test(`a message of the unregistered stream ${JSON.stringify(stream)} is ignored`, (t) => {
    const bridge = connected(t);
    const fallback = calls();

    bridge.listen(fallback);
    bridge.demultiplex("one", fallback);
    FakeWebSocket.last.delivers(JSON.stringify({ stream, payload: {} }));
    bridge.settle();

    assert.deepEqual(fallback.seen, []);
  });
}

test("callbacks stay when the connection is replaced", (t) => {
  const clock = page(t);
  const bridge = new WebSocketBridge();
  const [fallback, one] = [calls(), calls()];
  bridge.connect("/ws/");
  bridge.listen(fallback);
  bridge.demultiplex("one", one);

  FakeWebSocket.last.opens();
  FakeWebSocket.last.drops();
  clock.advance(1500);
  FakeWebSocket.last.opens();
  FakeWebSocket.last.delivers('{"stream": "one", "payload": 2}');
  FakeWebSocket.last.delivers("3");

  assert.equal(FakeWebSocket.made.length, 2);
  assert.deepEqual(one.seen, [[2, "one"]]);
  assert.deepEqual(fallback.seen, [[3, null]]);
});

test("what is sent is JSON", (t) => {
  connected(t).send({ type: "test", payload: [1, null] });

  assert.deepEqual(FakeWebSocket.last.sent, ['{"type":"test","payload":[1,null]}']);
});

test("a stream sends its name, then the payload", (t) => {
  const stream = connected(t).stream("one");

  stream.send({ n: 1 });

  assert.deepEqual(FakeWebSocket.last.sent, ['{"stream":"one","payload":{"n":1}}']);
});
