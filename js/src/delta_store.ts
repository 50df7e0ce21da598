// Where the JSON delta client keeps its queue and its rows: IndexedDB in a page, a file in Node,
// memory for tests. What write() reported done survives a crash.

export type Kind = "queue" | "row" | "meta";
// No value takes the entry away.
export interface Entry {
  kind: Kind;
  key: string;
  value?: unknown;
}

export interface DeltaStore {
  // Everything there is; the queue in the order in which its keys were first written.
  load(): Promise<Entry[]>;
  // All of it or nothing.
  write(entries: Entry[]): Promise<void>;
  close(): Promise<void>;
}

export class MemoryDeltaStore implements DeltaStore {
  readonly #entries = new Map<string, Entry>();
  async load(): Promise<Entry[]> {
    return structuredClone([...this.#entries.values()]);
  }
  async write(entries: Entry[]): Promise<void> {
    keep(this.#entries, structuredClone(entries));
  }
  async close(): Promise<void> {}
}

function keep(into: Map<string, Entry>, entries: Entry[]): void {
  for (const entry of entries) {
    const key = `${entry.kind} ${entry.key}`;
    if (entry.value === undefined) {
      into.delete(key);
    } else {
      into.set(key, entry);
    }
  }
}

type Handle = {
  readFile(encoding: "utf8"): Promise<string>;
  truncate(size: number): Promise<void>;
  appendFile(text: string): Promise<void>;
  datasync(): Promise<void>;
  close(): Promise<void>;
};

// A line a write. A line that a crash cut short is the last one, and counts for nothing. Rewritten
// when most of it is history.
export class FileDeltaStore implements DeltaStore {
  #handle: Handle | undefined;
  #entries = new Map<string, Entry>();
  #lines = 0;
  #last: Promise<void> = Promise.resolve();
  constructor(readonly path: string) {}

  async load(): Promise<Entry[]> {
    const fs = await import("node:fs/promises");
    const handle = (await fs.open(this.path, "a+")) as unknown as Handle;
    this.#handle = handle;
    const text = await handle.readFile("utf8");
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    if (whole.length < text.length) {
      await handle.truncate(new TextEncoder().encode(whole).length);
    }
    for (const line of whole.split("\n")) {
      if (line !== "") {
        keep(this.#entries, JSON.parse(line) as Entry[]);
        this.#lines++;
      }
    }
    if (this.#lines > 1000 && this.#lines > 2 * this.#entries.size) {
      await this.#rewrite();
    }
    return structuredClone([...this.#entries.values()]);
  }

  write(entries: Entry[]): Promise<void> {
    const line = JSON.stringify(entries) + "\n";
    const done = this.#last.then(async () => {
      if (this.#handle === undefined) {
        throw new Error("the store is closed");
      }
      await this.#handle.appendFile(line);
      await this.#handle.datasync();
      keep(this.#entries, JSON.parse(line) as Entry[]);
      this.#lines++;
    });
    this.#last = done.catch(() => undefined);
    return done;
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#handle?.close();
    this.#handle = undefined;
  }

  async #rewrite(): Promise<void> {
    const fs = await import("node:fs/promises");
    const fresh = (await fs.open(this.path + ".new", "w")) as unknown as Handle;
    await fresh.appendFile(JSON.stringify([...this.#entries.values()]) + "\n");
    await fresh.datasync();
    await fresh.close();
    await this.#handle?.close();
    await fs.rename(this.path + ".new", this.path);
    this.#handle = (await fs.open(this.path, "a+")) as unknown as Handle;
    this.#lines = 1;
  }
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("IndexedDB failed"));
  });
}

export class IndexedDbDeltaStore implements DeltaStore {
  #database: IDBDatabase | undefined;
  #order = 0;
  constructor(readonly name: string) {}

  async load(): Promise<Entry[]> {
    const request = indexedDB.open(`syncline-delta-${this.name}`, 1);
    request.onupgradeneeded = () => request.result.createObjectStore("entries");
    this.#database = await settled(request);
    const store = this.#database.transaction("entries").objectStore("entries");
    const found = (await settled(store.getAll())) as (Entry & { order: number })[];
    found.sort((a, b) => a.order - b.order);
    this.#order = (found.at(-1)?.order ?? 0) + 1;
    return found.map(({ kind, key, value }) => ({ kind, key, value }));
  }

  write(entries: Entry[]): Promise<void> {
    const database = this.#database;
    if (database === undefined) {
      return Promise.reject(new Error("the store is closed"));
    }
    return new Promise((resolve, reject) => {
      const transaction = database.transaction("entries", "readwrite", { durability: "strict" });
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error("IndexedDB failed"));
      const store = transaction.objectStore("entries");
      for (const entry of entries) {
        const key = `${entry.kind} ${entry.key}`;
        if (entry.value === undefined) {
          store.delete(key);
          continue;
        }
        const before = store.get(key);
        const order = this.#order++;
        before.onsuccess = () => {
          const kept = (before.result as { order: number } | undefined)?.order ?? order;
          store.put({ ...entry, order: kept }, key);
        };
      }
    });
  }

  async close(): Promise<void> {
    this.#database?.close();
    this.#database = undefined;
  }
}

// IndexedDB of that name where there is one, else a file at that path.
export function openDeltaStore(name: string): DeltaStore {
  return typeof indexedDB === "undefined" ? new FileDeltaStore(name) : new IndexedDbDeltaStore(name);
}
