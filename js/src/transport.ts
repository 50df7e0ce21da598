import type { Connection, Transport, TransportEvents } from "./types.js";

/** `http://host` and `ws://host` alike; the path of our own protocol when there is none. */
export function socketUrl(url: string): string {
  const base = (globalThis as { location?: Location }).location?.href;
  const out = new URL(url, base);
  out.protocol = out.protocol === "https:" || out.protocol === "wss:" ? "wss:" : "ws:";
  if (out.pathname === "/" || out.pathname === "") out.pathname = "/v1/sync";
  out.hash = "";
  return out.href;
}

/** Where to ask whether the server can be reached at all. */
export function healthUrl(url: string): string {
  const out = new URL(socketUrl(url));
  out.protocol = out.protocol === "wss:" ? "https:" : "http:";
  out.pathname = "/healthz";
  return out.href;
}

/** Frames over a WebSocket: the browser's, or Node's (22 has one; before, hand in `ws`). */
export class WebSocketTransport implements Transport {
  readonly #make?: (url: string) => WebSocket;

  constructor(make?: (url: string) => WebSocket) {
    this.#make = make;
  }

  dial(url: string, events: TransportEvents): Connection {
    let over = false;
    const close = (reason: string): void => {
      if (over) return;
      over = true;
      events.closed(reason);
    };
    let socket: WebSocket;
    try {
      socket = this.#make ? this.#make(socketUrl(url)) : new WebSocket(socketUrl(url));
    } catch (error) {
      queueMicrotask(() => close((error as Error).message));
      return { send() {}, close() {} };
    }
    socket.binaryType = "arraybuffer";
    socket.onopen = () => !over && events.open();
    socket.onmessage = ({ data }) => {
      if (over) return;
      if (data instanceof ArrayBuffer) {
        events.frame(new Uint8Array(data));
        return;
      }
      // A text that is a number would be the size of an array.
      socket.close();
      close("the server sent a text, and speaks in bytes");
    };
    socket.onclose = ({ reason, code }) => close(reason || `closed (${code})`);
    socket.onerror = () => close("the connection failed");
    return {
      send(frame) {
        if (!over && socket.readyState === 1) socket.send(frame as Uint8Array<ArrayBuffer>);
      },
      close() {
        over = true;
        socket.close();
      },
    };
  }
}
