/* A WebSocket without a network, a clock without waiting, and a page. */

export class FakeWebSocket extends EventTarget {
  static made = [];

  constructor(...args) {
    super();
    this.args = args;
    this.url = args[0];
    this.protocol = "";
    this.extensions = "permessage-deflate";
    this.bufferedAmount = 0;
    this.binaryType = "blob";
    this.readyState = 0;
    this.sent = [];
    this.closed = [];
    FakeWebSocket.made.push(this);
  }

  static get last() {
    return FakeWebSocket.made.at(-1);
  }

  send(data) {
    this.sent.push(data);
  }

  close(...args) {
    this.closed.push(args);
    this.readyState = 2;
  }

  // -- what the network does ----------------------------------------------------

  opens() {
    this.readyState = 1;
    this.dispatchEvent(new Event("open"));
  }

  delivers(data) {
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }

  drops(code = 1006) {
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason: "", wasClean: false }));
  }

  fails() {
    this.dispatchEvent(new Event("error"));
    this.drops();
  }
}

const REAL = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };

/* Replaces setTimeout and clearTimeout while installed; time moves with advance(). */
export class Clock {
  now = 0;
  timers = [];

  install() {
    globalThis.setTimeout = (callback, delay) => {
      const timer = { callback, at: this.now + delay };
      this.timers.push(timer);
      return timer;
    };
    globalThis.clearTimeout = (timer) => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  uninstall() {
    Object.assign(globalThis, REAL);
  }

  /* Milliseconds until the next timer, or undefined. */
  get next() {
    const times = this.timers.map((timer) => timer.at - this.now);
    return times.length ? Math.min(...times) : undefined;
  }

  advance(milliseconds) {
    const end = this.now + milliseconds;
    for (;;) {
      const due = this.timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.now = due.at;
      clearTimeout(due);
      due.callback();
    }
    this.now = end;
  }
}

/* Sets up the world of a browser page for one test. */
export function page(t, address = "http://example.test/", random = 0) {
  const clock = new Clock();
  const before = { random: Math.random, location: globalThis.location };
  FakeWebSocket.made = [];
  globalThis.WebSocket = FakeWebSocket;
  globalThis.location = new URL(address);
  Math.random = () => random;
  clock.install();
  t.after(() => {
    clock.uninstall();
    Math.random = before.random;
    globalThis.location = before.location;
    delete globalThis.WebSocket;
  });
  return clock;
}

/* Records every event of a socket as [type, event]. */
export function record(socket) {
  const seen = [];
  for (const type of ["open", "message", "error", "close"]) {
    socket.addEventListener(type, (event) => seen.push([type, event]));
  }
  return seen;
}
