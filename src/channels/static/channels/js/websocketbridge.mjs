/*
 * websocketbridge.js as an ES module:
 *
 *   import { WebSocketBridge } from "./channels/js/websocketbridge.mjs";
 *
 * The code is there, once. A classic script cannot wait for a module but a module
 * can run a script, which leaves its exports in the global `channels` in a
 * browser, and hands them over as the default export in Node and in bundlers.
 */
import * as script from "./websocketbridge.js";

const channels = script["default"] || globalThis.channels;

export const WebSocketBridge = channels.WebSocketBridge;
export const ReconnectingWebSocket = channels.ReconnectingWebSocket;
