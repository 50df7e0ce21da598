// Syncing through something else than a Syncline server's own connection: a provider carries changes,
// as bytes that it need not understand, and says how far it came.
// The package itself, so that there is one SynclineError.
import { SynclineError, type Database } from "syncline";

/** A change of ours: its parts belong together, in their order. */
export interface OutgoingChange {
  version: number;
  sequence: number;
  parts: Uint8Array[];
}

export interface Pulled {
  /** Parts of whole changes, in the provider's order; own changes among them do no harm. */
  parts: Uint8Array[];
  /** Where they lead to: what to ask for next. */
  cursor: number;
  /** Whether there is more already. */
  more: boolean;
}

export interface SyncProvider {
  readonly name: string;
  /** "direct" talks to the store of changes itself, "gateway" to a server in between. */
  readonly mode: "direct" | "gateway";
  /** Calls `changed` when there may be something to pull; returns how to stop. */
  subscribe(changed: () => void): () => void;
  pull(cursor: number): Promise<Pulled>;
  /** Returns once the changes are durable: they are not given again. */
  push(replica: string, changes: OutgoingChange[]): Promise<void>;
  /** Told after rows and cursor were committed here. */
  updateCursor(replica: string, cursor: number): Promise<void>;
}

export type ProviderFactory = (options: Record<string, unknown>) => SyncProvider;

const registry = new Map<string, ProviderFactory>();

export function registerProvider(name: string, make: ProviderFactory): void {
  registry.set(name, make);
}

export function makeProvider(name: string, options: Record<string, unknown> = {}): SyncProvider {
  const make = registry.get(name);
  if (!make) {
    throw new SynclineError("not_found", `no provider is called ${name}; there are ${[...registry.keys()].join(", ")}`);
  }
  return make(options);
}

const pushBytesMax = 1 << 20;
const backoffMs = [1000, 2000, 5000, 10_000, 30_000];

/** Keeps a database in step through a provider. Open the database without a url. */
export class ProviderSync {
  #running: Promise<void> | null = null;
  #again = false;
  #stopped = false;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #stops: (() => void)[] = [];
  /** The last failure; null while all is well. */
  error: Error | null = null;

  readonly #db: Database;
  readonly #provider: SyncProvider;

  constructor(
    db: Database,
    provider: SyncProvider,
  ) {
    this.#db = db;
    this.#provider = provider;
  }

  /** Syncs now, and from now on whenever either side changed. */
  async start(): Promise<void> {
    await this.#db.script(
      "CREATE TABLE IF NOT EXISTS syncline_page_cursors(provider TEXT PRIMARY KEY NOT NULL, cursor INTEGER NOT NULL)",
    );
    const soon = (): void => void this.sync().catch(() => {});
    this.#stops.push(this.#provider.subscribe(soon), this.#db.on("sync.op:action:captured", soon));
    await this.sync();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    for (const stop of this.#stops) stop();
  }

  /** Resolves once both sides have what the other had. */
  sync(): Promise<void> {
    if (this.#running) {
      this.#again = true;
      return this.#running;
    }
    const work = async (): Promise<void> => {
      try {
        do {
          this.#again = false;
          await this.#push();
          await this.#pull();
        } while (this.#again && !this.#stopped);
        this.#failures = 0;
        this.error = null;
      } catch (error) {
        this.error = error as Error;
        this.#retry();
        throw error;
      } finally {
        this.#running = null;
      }
    };
    return (this.#running = work());
  }

  #retry(): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    const wait = backoffMs[Math.min(this.#failures++, backoffMs.length - 1)];
    this.#timer = setTimeout(() => void this.sync().catch(() => {}), wait);
    (this.#timer as { unref?: () => void }).unref?.();
  }

  async #push(): Promise<void> {
    const { request } = this.#carrier();
    for (let after = 0; !this.#stopped; ) {
      const changes = (await request("outbox", [after, pushBytesMax])) as OutgoingChange[];
      if (changes.length === 0) return;
      await this.#provider.push(this.#db.status.value.replica, changes);
      after = changes.at(-1)!.version;
      await request("acknowledge", [after]);
    }
  }

  async #pull(): Promise<void> {
    const { request } = this.#carrier();
    const name = this.#provider.name;
    const [row] = await this.#db.query<{ cursor: number }>(
      "SELECT cursor FROM syncline_page_cursors WHERE provider = ?1",
      [name],
    );
    let cursor = row?.cursor ?? 0;
    for (let more = true; more && !this.#stopped; ) {
      const pulled = await this.#provider.pull(cursor);
      more = pulled.more;
      if (pulled.cursor === cursor) break;
      if (pulled.parts.length > 0) await request("receive", [pulled.cursor, pulled.parts]);
      cursor = pulled.cursor;
      // After the rows: what is pulled twice changes nothing.
      await this.#db.exec("INSERT OR REPLACE INTO syncline_page_cursors VALUES(?1, ?2)", [name, cursor]);
      await this.#provider.updateCursor(this.#db.status.value.replica, cursor);
    }
  }

  #carrier(): { request: (op: string, args: unknown[]) => Promise<unknown> } {
    const port = this.#db.carrier;
    return { request: (op, args) => port.request(op, args) };
  }
}

// --- In memory: for tests, and for tabs of one page ------------------------------------------------

/** What several in-memory providers share. */
export class MemoryHub {
  readonly changes: { replica: string; parts: Uint8Array[] }[] = [];
  readonly cursors = new Map<string, number>();
  readonly listeners = new Set<() => void>();
}

export class MemoryProvider implements SyncProvider {
  readonly name = "memory";
  readonly mode = "direct" as const;

  readonly #hub: MemoryHub;
  readonly #batch: number;

  constructor(
    hub: MemoryHub,
    batch = 100,
  ) {
    this.#hub = hub;
    this.#batch = batch;
  }

  subscribe(changed: () => void): () => void {
    this.#hub.listeners.add(changed);
    return () => this.#hub.listeners.delete(changed);
  }

  async pull(cursor: number): Promise<Pulled> {
    const end = Math.min(this.#hub.changes.length, cursor + this.#batch);
    const parts = this.#hub.changes.slice(cursor, end).flatMap((change) => change.parts);
    return { parts, cursor: end, more: end < this.#hub.changes.length };
  }

  async push(replica: string, changes: OutgoingChange[]): Promise<void> {
    for (const { parts } of changes) this.#hub.changes.push({ replica, parts });
    for (const told of this.#hub.listeners) queueMicrotask(told);
  }

  async updateCursor(replica: string, cursor: number): Promise<void> {
    this.#hub.cursors.set(replica, cursor);
  }
}

// --- A gateway: a server of the application's own, by JSON over HTTP -------------------------------

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

export interface HttpGatewayOptions {
  url: string;
  headers?: Record<string, string> | (() => Record<string, string> | Promise<Record<string, string>>);
  /** How often to ask, where nothing tells. */
  everyMs?: number;
}

/**
 * `POST {url}/push` with {replica, changes: [{sequence, parts: [base64]}]},
 * `GET {url}/pull?cursor=N` answered by {parts: [base64], cursor, more},
 * `POST {url}/cursor` with {replica, cursor}.
 */
export class HttpGatewayProvider implements SyncProvider {
  readonly name: string;
  readonly mode = "gateway" as const;

  readonly #options: HttpGatewayOptions;

  constructor(options: HttpGatewayOptions) {
    this.#options = options;
    this.name = `http:${options.url}`;
  }

  subscribe(changed: () => void): () => void {
    const timer = setInterval(changed, this.#options.everyMs ?? 10_000);
    (timer as { unref?: () => void }).unref?.();
    return () => clearInterval(timer);
  }

  async #call(path: string, body?: unknown): Promise<unknown> {
    const { url, headers = {} } = this.#options;
    const given = typeof headers === "function" ? await headers() : headers;
    const response = await fetch(`${url}/${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { "Content-Type": "application/json", ...given },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) {
      const retryable = response.status >= 500 || response.status === 429;
      throw new SynclineError("unreachable", `the gateway answered ${response.status}`, retryable);
    }
    return response.json();
  }

  async pull(cursor: number): Promise<Pulled> {
    const { parts, ...rest } = (await this.#call(`pull?cursor=${cursor}`)) as Omit<Pulled, "parts"> & { parts: string[] };
    return { ...rest, parts: parts.map(fromBase64) };
  }

  async push(replica: string, changes: OutgoingChange[]): Promise<void> {
    const out = changes.map(({ sequence, parts }) => ({ sequence, parts: parts.map(toBase64) }));
    await this.#call("push", { replica, changes: out });
  }

  async updateCursor(replica: string, cursor: number): Promise<void> {
    await this.#call("cursor", { replica, cursor });
  }
}

registerProvider("memory", ({ hub }) => new MemoryProvider((hub as MemoryHub) ?? new MemoryHub()));
registerProvider("http", (options) => new HttpGatewayProvider(options as unknown as HttpGatewayOptions));
