/*
 * WebSocketBridge: JSON and streams over a WebSocket that comes back by itself.
 *
 *   <script src="{% static 'channels/js/websocketbridge.js' %}"></script>
 *
 *   const bridge = new channels.WebSocketBridge();
 *   bridge.connect("/ws/");
 *   bridge.listen((message) => console.log(message));
 *   bridge.demultiplex("posts", (payload, stream) => console.log(payload));
 *   bridge.stream("posts").send({ action: "create" });
 *
 * Works as a plain script (global `channels`), through require() and through an
 * AMD loader; websocketbridge.mjs beside it is the same thing as an ES module.
 * No dependencies and no build step: this file is what browsers run.
 *
 * Times are milliseconds.
 */
(function (root, factory) {
  "use strict";
  if (typeof module === "object" && module.exports) {
    module.exports = factory();
  } else if (typeof define === "function" && define.amd) {
    define([], factory);
  } else {
    root.channels = factory();
  }
})(typeof globalThis === "undefined" ? self : globalThis, function () {
  "use strict";

  const CONNECTING = 0;
  const OPEN = 1;
  const CLOSING = 2;
  const CLOSED = 3;

  const EVENTS = ["open", "message", "error", "close"];

  const DEFAULTS = {
    // Longest wait before a new attempt.
    maxReconnectionDelay: 10000,
    // The first wait is one to two times this: after a restart of the server
    // its clients must not all come back in the same instant.
    minReconnectionDelay: 1500,
    // How much longer each wait is than the one before it.
    reconnectionDelayGrowFactor: 1.3,
    // How long an attempt may take.
    connectionTimeout: 4000,
    // How many attempts in a row may fail after the first.
    maxRetries: Infinity,
    // Whether to write to the console what happens.
    debug: false,
  };

  function has(object, key) {
    return Object.prototype.hasOwnProperty.call(object, key);
  }

  function socketConstructor(options) {
    // Own properties only: every plain object inherits a `constructor`.
    if (has(options, "constructor") && options.constructor) return options.constructor;
    if (typeof WebSocket === "function") return WebSocket;
    throw new TypeError("There is no WebSocket here: pass one as the option `constructor`");
  }

  /*
   * A WebSocket that makes a new connection when the one it has is gone.
   *
   * To be used like a WebSocket: handlers and listeners stay across connections
   * and see the events of each. What is sent while there is no connection is
   * treated as a WebSocket treats it; nothing is kept for later.
   *
   * Two more `error` events can come, with an Error that has a `code`:
   * ETIMEDOUT (an attempt took too long; the next one follows) and EHOSTDOWN
   * (maxRetries is used up; no other attempt follows).
   */
  class ReconnectingWebSocket {
    constructor(url, protocols, options) {
      const given = Object.assign({}, options);
      this._constructor = socketConstructor(given);
      this._config = Object.assign({}, DEFAULTS, given);
      this._arguments = protocols === undefined ? [url] : [url, protocols];
      this._listeners = { open: [], message: [], error: [], close: [] };
      this._binaryType = null;
      this._socket = null;
      // The forwarders of the current connection, or null once it has ended.
      this._forwarders = null;
      this._attemptTimer = null;
      this._retryTimer = null;
      this._retries = 0;
      this._delay = this._firstDelay();
      this._keepClosed = false;
      for (const type of EVENTS) this["on" + type] = null;
      this._connect();
    }

    // -- what a WebSocket has ---------------------------------------------------

    get url() {
      return this._socket.url;
    }

    get protocol() {
      return this._socket.protocol;
    }

    get extensions() {
      return this._socket.extensions;
    }

    get bufferedAmount() {
      return this._socket.bufferedAmount;
    }

    get readyState() {
      // After a fast close the connection still says goodbye, but not to us.
      return this._forwarders ? this._socket.readyState : CLOSED;
    }

    get binaryType() {
      return this._socket.binaryType;
    }

    set binaryType(type) {
      this._binaryType = type;
      this._socket.binaryType = type;
    }

    send(data) {
      this._socket.send(data);
    }

    /*
     * Close the connection, and make a new one unless `keepClosed`.
     *
     * keepClosed: stay closed, until close() is called without it.
     * fastClose: tell the listeners now; a peer that is gone never answers.
     * delay: wait so long before the new connection, this time.
     */
    close(code = 1000, reason = "", { keepClosed = false, fastClose = true, delay = 0 } = {}) {
      const connected = this._forwarders !== null;
      if (connected) this._socket.close(code, reason);
      this._keepClosed = keepClosed;
      if (delay) this._delay = delay;
      if (!connected) {
        this._closeAgain(delay);
      } else if (fastClose) {
        this._ended({ type: "close", code, reason, wasClean: true });
      }
    }

    addEventListener(type, listener, options) {
      if (!listener || !has(this._listeners, type)) return;
      if (this._listeners[type].some((entry) => entry.listener === listener)) return;
      const once = typeof options === "object" && options !== null && Boolean(options.once);
      this._listeners[type].push({ listener, once });
    }

    removeEventListener(type, listener) {
      if (!has(this._listeners, type)) return;
      this._listeners[type] = this._listeners[type].filter((entry) => entry.listener !== listener);
    }

    dispatchEvent(event) {
      this._tell(event.type, event);
      return !event.defaultPrevented;
    }

    // -- connections ------------------------------------------------------------

    _connect() {
      this._retryTimer = null;
      this._log("connecting to", this._arguments[0]);
      const socket = new this._constructor(...this._arguments);
      this._socket = socket;
      if (this._binaryType !== null) socket.binaryType = this._binaryType;
      this._forwarders = {
        open: (event) => this._opened(event),
        message: (event) => this._tell("message", event),
        error: (event) => this._tell("error", event),
        close: (event) => this._ended(event),
      };
      for (const type of EVENTS) socket.addEventListener(type, this._forwarders[type]);
      this._attemptTimer = setTimeout(() => this._timedOut(), this._config.connectionTimeout);
    }

    _opened(event) {
      this._log("open");
      clearTimeout(this._attemptTimer);
      this._retries = 0;
      this._delay = this._firstDelay();
      this._tell("open", event);
    }

    _timedOut() {
      this._log("no connection in time");
      this._socket.close();
      this._fail("ETIMEDOUT", `No connection within ${this._config.connectionTimeout} ms`);
    }

    /* The connection is gone, whoever ended it; the next one is arranged before anyone is told. */
    _ended(event) {
      this._log("closed", event.code);
      clearTimeout(this._attemptTimer);
      for (const type of EVENTS) this._socket.removeEventListener(type, this._forwarders[type]);
      this._forwarders = null;
      const givesUp = !this._keepClosed && this._retries >= this._config.maxRetries;
      if (!this._keepClosed && !givesUp) this._retryLater();
      this._tell("close", event);
      if (givesUp) this._fail("EHOSTDOWN", "Too many failed connection attempts");
    }

    /* close() was called while there was no connection: only what comes next may change. */
    _closeAgain(delay) {
      if (!this._keepClosed && this._retryTimer !== null && !delay) return;
      clearTimeout(this._retryTimer);
      this._retryTimer = null;
      if (!this._keepClosed) this._retryLater();
    }

    _retryLater() {
      this._retries += 1;
      this._log("next attempt in", this._delay, "ms");
      this._retryTimer = setTimeout(() => this._connect(), this._delay);
      this._delay = this._limited(this._delay * this._config.reconnectionDelayGrowFactor);
    }

    _firstDelay() {
      return this._limited(this._config.minReconnectionDelay * (1 + Math.random()));
    }

    _limited(delay) {
      return Math.min(delay, this._config.maxReconnectionDelay);
    }

    // -- telling ----------------------------------------------------------------

    _fail(code, text) {
      const error = new Error(text);
      error.code = code;
      this._tell("error", error);
    }

    _tell(type, event) {
      this._call(this["on" + type], event);
      for (const entry of (this._listeners[type] || []).slice()) {
        if (entry.once) this.removeEventListener(type, entry.listener);
        this._call(entry.listener, event);
      }
    }

    _call(listener, event) {
      if (!listener) return;
      try {
        if (typeof listener === "function") listener.call(this, event);
        else listener.handleEvent(event);
      } catch (error) {
        // As with a WebSocket: reported, and the other listeners are still told.
        setTimeout(() => {
          throw error;
        }, 0);
      }
    }

    _log(...what) {
      if (this._config.debug) console.log("ReconnectingWebSocket:", ...what);
    }
  }

  const STATES = { CONNECTING, OPEN, CLOSING, CLOSED };
  Object.assign(ReconnectingWebSocket, STATES);
  Object.assign(ReconnectingWebSocket.prototype, STATES);

  /* The address of a socket: what starts with a slash is on the page's own host. */
  function absolute(url) {
    if (url !== undefined && !url.startsWith("/")) return url;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    return `${scheme}://${location.host}${url === undefined ? "" : url}`;
  }

  /*
   * JSON messages over one socket, split into streams if the server does so.
   *
   * A message with a `stream` goes to that stream's callback and to no other;
   * any other message goes to the callback given to listen().
   */
  class WebSocketBridge {
    constructor(options) {
      this.socket = null;
      this.streams = {};
      this.default_cb = null;
      this.options = Object.assign({}, options);
    }

    /* Open the socket; see ReconnectingWebSocket for the options. */
    connect(url, protocols, options) {
      this.socket = new ReconnectingWebSocket(absolute(url), protocols, options);
    }

    /* Take the socket's messages; `callback(message, null)` gets those without a stream. */
    listen(callback) {
      if (this.socket === null) throw new TypeError("listen() before connect(): there is no socket");
      this.default_cb = callback;
      this.socket.onmessage = (event) => this._receive(JSON.parse(event.data));
    }

    /* Let `callback(payload, stream)` have the messages of a stream. */
    demultiplex(stream, callback) {
      this.streams[stream] = callback;
    }

    send(message) {
      this.socket.send(JSON.stringify(message));
    }

    /* Return an object whose send() sends on that stream. */
    stream(name) {
      return {
        send: (action) => this.send({ stream: name, payload: action }),
      };
    }

    _receive(message) {
      if (message !== null && message.stream !== undefined) {
        // A stream may be called "__proto__".
        const callback = has(this.streams, message.stream) && this.streams[message.stream];
        if (callback) callback(message.payload, message.stream);
      } else if (this.default_cb) {
        this.default_cb(message, null);
      }
    }
  }

  return { WebSocketBridge, ReconnectingWebSocket };
});
