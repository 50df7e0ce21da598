// The package in Node: the same engine, in this thread, over a file.
import { webcrypto } from "node:crypto";
import fs from "node:fs";
import { Core } from "./core.js";
import { Database } from "./database.js";
import { LocalPort } from "./port.js";
import { MemoryStorage } from "./storage.js";
import { FileStorage } from "./storage_node.js";
import { WebSocketTransport } from "./transport.js";
import { tokenConfig, type OpenOptions } from "./open.js";
import { SynclineError } from "./values.js";

export * from "./common.js";

// Node 18 hides it.
globalThis.crypto ??= webcrypto as Crypto;

let compiled: Promise<WebAssembly.Module> | undefined;

function wasm(url?: string | URL): Promise<WebAssembly.Module> {
  const load = (from: string | URL): Promise<WebAssembly.Module> => WebAssembly.compile(fs.readFileSync(from));
  if (url) return load(url);
  return (compiled ??= load(new URL("./syncline.wasm", import.meta.url)));
}

/** Opens or creates a database. */
export async function open(options: OpenOptions): Promise<Database> {
  const { name, token, transport, url, workspace } = options;
  if (!name) throw new SynclineError("invalid_argument", "a database needs a name");
  if (url && !workspace) throw new SynclineError("invalid_argument", "a url needs a workspace to sync");
  const inMemory = options.storage === "memory" || name === ":memory:";
  const storage = inMemory ? new MemoryStorage() : new FileStorage(name);
  const { autoSync, ...rest } = options;
  const config = { ...rest, ...tokenConfig(token), transport: undefined };
  let core: Core;
  try {
    core = await Core.open(config, await wasm(options.wasmUrl), storage, transport ?? new WebSocketTransport(), inMemory ? "db" : name);
  } catch (error) {
    storage.dispose();
    throw error;
  }
  const port = new LocalPort(core);
  const db = new Database(name, port, { token, url, autoSync });
  port.join();
  db.isLeader.set(true);
  return db;
}
