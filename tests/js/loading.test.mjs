/* One file for plain pages, CommonJS, AMD loaders; one beside it for modules. */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import vm from "node:vm";

import * as exported from "../../src/channels/static/channels/js/websocketbridge.mjs";

const PATH = fileURLToPath(
  new URL("../../src/channels/static/channels/js/websocketbridge.js", import.meta.url),
);
const NAMES = ["ReconnectingWebSocket", "WebSocketBridge"];

function runIn(globals) {
  const context = vm.createContext(globals);
  vm.runInContext(readFileSync(PATH, "utf8"), context);
  return context;
}

test("a script sets the global channels and nothing else", () => {
  const context = runIn({});

  assert.deepEqual(Object.keys(context), ["channels"]);
  assert.deepEqual(Object.keys(context.channels).sort(), NAMES);
  assert.equal(new context.channels.WebSocketBridge().socket, null);
});

test("a browser without globalThis has self", () => {
  const context = vm.createContext({});
  vm.runInContext("var self = this; delete globalThis.globalThis;", context);

  vm.runInContext(readFileSync(PATH, "utf8"), context);

  assert.deepEqual(Object.keys(context.channels).sort(), NAMES);
});

test("require() returns it", () => {
  const required = createRequire(import.meta.url)(PATH);

  assert.deepEqual(Object.keys(required).sort(), NAMES);
  assert.equal(globalThis.channels, undefined);
});

test("an AMD loader gets it", () => {
  const defined = [];
  const define = Object.assign((names, factory) => defined.push([names.length, factory()]), {
    amd: {},
  });

  const context = runIn({ define });

  assert.equal(context.channels, undefined);
  assert.deepEqual(defined.map(([count]) => count), [0]);
  assert.deepEqual(Object.keys(defined[0][1]).sort(), NAMES);
});

test("the module exports the same classes", () => {
  const required = createRequire(import.meta.url)(PATH);

  assert.deepEqual(Object.keys(exported).sort(), NAMES);
  assert.equal(exported.WebSocketBridge, required.WebSocketBridge);
  assert.equal(exported.ReconnectingWebSocket, required.ReconnectingWebSocket);
});

test("installed from its folder it has the name that it has on npm", async (t) => {
  const project = mkdtempSync(join(tmpdir(), "bridge-"));
  t.after(() => rmSync(project, { recursive: true }));
  mkdirSync(join(project, "node_modules"));
  symlinkSync(dirname(PATH), join(project, "node_modules", "django-channels"));
  const page = join(project, "page.mjs");
  writeFileSync(page, 'export { WebSocketBridge } from "django-channels";');

  const imported = await import(pathToFileURL(page));
  const required = createRequire(page)("django-channels");

  assert.equal(imported.WebSocketBridge, exported.WebSocketBridge);
  assert.equal(required.WebSocketBridge, exported.WebSocketBridge);
});
