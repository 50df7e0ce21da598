// The package in a browser.
import { Database } from "./database.js";
import { tokenConfig, type OpenOptions } from "./open.js";
import { removeFolder } from "./storage_folder.js";
import { SynclineError } from "./values.js";
import { WorkerPort } from "./worker_port.js";

export * from "./common.js";

/** Opens or creates a database. Every tab that opens the same name works on the same one. */
export async function open(options: OpenOptions): Promise<Database> {
  const { name, token, transport, wasmUrl, workerUrl, autoSync, ...rest } = options;
  if (!name) throw new SynclineError("invalid_argument", "a database needs a name");
  if (options.url && !options.workspace) {
    throw new SynclineError("invalid_argument", "a url needs a workspace to sync");
  }
  // The worker's own address is another one.
  const url = options.url && new URL(options.url, location.href).href;
  const config = {
    ...rest,
    name,
    url,
    ...tokenConfig(token),
    ownTransport: transport !== undefined,
  };
  const { port } = await WorkerPort.open(
    config,
    new URL(wasmUrl ?? new URL("./syncline.wasm", import.meta.url), location.href).href,
    workerUrl ?? new URL("./worker.js", import.meta.url),
    transport,
  );
  const db = new Database(name, port, { token, url, autoSync });
  // The tab that leads may have been opened by an older version of the page.
  if (options.schema) await db.useSchema(options.schema);
  if (leftEdits(name)) await (await import("./doc.js")).takeLeftEdits(db);
  return db;
}

/** Whether a page that went left edits of documents behind; see doc.ts. */
function leftEdits(name: string): boolean {
  try {
    return Object.keys(localStorage).some((key) => key.startsWith(`syncline-doc:${name}:`));
  } catch {
    return false; // forbidden here
  }
}

/** Deletes a database of this browser, unsent work included. Nobody may have it open. */
export async function remove(name: string): Promise<void> {
  // A tab that was just closed holds it for a moment longer.
  const signal = AbortSignal.timeout(2000);
  try {
    await navigator.locks.request(`syncline:${name}`, { signal }, () => removeFolder(name));
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new SynclineError("busy", `${name} is open in a tab`, true);
  }
}
