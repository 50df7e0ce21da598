import type { AutoSyncOptions } from "./auto_sync.js";
import type { Schema, Transport } from "./types.js";

export interface OpenOptions {
  /** The database's name in this browser; in Node the path of its file, or ":memory:". */
  name: string;
  schema?: Schema;
  /** The server; without one the database stays on this device. */
  url?: string;
  /** Who shares: a user, a team. Needed with `url`. */
  workspace?: string;
  /**
   * A token, or how to get one: called at the start and whenever the server wants a fresh one. The
   * database opens without waiting for it, and it is called again when it fails or never answers.
   */
  token?: string | (() => string | Promise<string>);
  /** "memory" keeps nothing; the default does so only where there is no storage. */
  storage?: "auto" | "memory";
  /** Begins as a copy of another database (`exportFile()`), if there is none of this name yet. */
  from?: Uint8Array;
  /** Instead of a WebSocket. */
  transport?: Transport;
  /** Begins without talking to the server. */
  paused?: boolean;
  /** When to look again by itself; false leaves it to sync(). */
  autoSync?: AutoSyncOptions | false;
  /** Where the module and the worker are, for bundlers that move them. */
  wasmUrl?: string | URL;
  workerUrl?: string | URL;
}

/** What the core is told of it: a callback's answer comes later. */
export function tokenConfig(token: OpenOptions["token"]): { token: string | undefined; bringsToken: boolean } {
  return typeof token === "function" ? { token: undefined, bringsToken: true } : { token, bringsToken: false };
}
