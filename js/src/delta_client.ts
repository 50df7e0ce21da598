// A small client of the server's JSON delta door (docs/delta.md): a durable queue of changes, rows
// that show them at once and take them back when the server refuses, and a sync that needs no care.
// For applications without the engine; those with it have all this and more by themselves.
import { openDeltaStore, type DeltaStore, type Entry } from "./delta_store.js";

export * from "./delta_store.js";

export type ChangeType = "CREATED" | "UPDATED" | "DELETED";
export type Data = Record<string, unknown>;

export interface PendingChange {
  changeId: string;
  type: ChangeType;
  entityType: string;
  entityId: string;
  data?: Data;
  timestamp: number;
  baseVersion: number;
  // How often the server failed over it; network errors never count.
  attempts: number;
  lastError?: string;
}

export interface DeltaConflict {
  changeId: string;
  serverVersion: number;
  entityType: string;
  entityId: string;
  reason: string;
  winner: "yours" | "theirs";
  fields: Record<string, { yours: unknown; theirs: unknown }>;
}

export interface DeltaRejection {
  changeId: string;
  code: string;
  reason: string;
  change: PendingChange;
}

interface NewChange {
  type: ChangeType;
  entityType: string;
  entityId: string;
  data: Data;
}

interface State {
  deviceId: string;
  known: number;
  lineage: string;
  cursor: string;
  isFresh: boolean;
  lastSync: number | null;
}

interface Answer {
  newChanges: NewChange[];
  latestServerVersion: number;
  hasMore: boolean;
  accepted: { changeId: string; serverVersion: number; repeated?: true }[];
  conflicts: DeltaConflict[];
  rejected: { changeId: string; code: string; reason: string }[];
  lineage: string;
  cursor?: string;
  resync?: true;
}

export interface LocalStats {
  pending: number;
  // Given up after five attempts, until the next manual sync.
  failed: number;
  // When the last sync went through, in milliseconds; null when none has.
  lastSync: number | null;
}

export interface DeltaEvents {
  // Rows show something else: the changed ones.
  change: { entityType: string; entityId: string }[];
  conflict: DeltaConflict;
  // The change was taken back.
  rejected: DeltaRejection;
  status: "idle" | "syncing" | "offline" | "denied" | "failed";
}

export interface Timers {
  set(run: () => void, ms: number): unknown;
  clear(timer: unknown): void;
  now(): number;
  random(): number;
}

export interface DeltaOptions {
  // The door: https://app.example/api/sync/v2
  url: string;
  workspace?: string;
  // Asked before each request.
  token?: () => string | undefined | Promise<string | undefined>;
  // A name (IndexedDB) or a path (Node), or a store of one's own.
  store: string | DeltaStore;
  fetch?: typeof fetch;
  timers?: Timers;
  debounceMs?: number;
  intervalMs?: number;
  batch?: number;
}

const attemptsMax = 5;
const backoffMaxMs = 60_000;

// Weather: nobody is at fault, and it does not count.
class Weather extends Error {
  constructor(
    message: string,
    readonly afterMs = 0,
  ) {
    super(message);
  }
}
class Denied extends Error {}
class TooLarge extends Error {}

const systemTimers: Timers = {
  set: (run, ms) => {
    const timer = setTimeout(run, ms);
    // A queue that waits must not keep a program of Node's alive.
    (timer as unknown as { unref?: () => void }).unref?.();
    return timer;
  },
  clear: (timer) => clearTimeout(timer as number),
  now: () => Date.now(),
  random: () => Math.random(),
};

const isPlain = (value: unknown): value is Data =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function merged(before: unknown, after: unknown): unknown {
  if (!isPlain(after)) {
    return after;
  }
  if (Object.keys(after).length === 1 && typeof after.increment === "number") {
    return (typeof before === "number" ? before : 0) + after.increment;
  }
  if (!isPlain(before)) {
    return after;
  }
  const out: Data = { ...before };
  for (const [name, value] of Object.entries(after)) {
    if (value === null) {
      delete out[name];
    } else {
      out[name] = merged(out[name], value);
    }
  }
  return out;
}

// What a row is after a change; undefined for no row.
function after(row: Data | undefined, type: ChangeType, data: Data | undefined): Data | undefined {
  if (type === "DELETED") {
    return undefined;
  }
  if (type === "UPDATED" && row === undefined) {
    return undefined;
  }
  const out: Data = type === "CREATED" ? {} : { ...row };
  for (const [name, value] of Object.entries(data ?? {})) {
    out[name] = type === "CREATED" ? value : merged(out[name], value);
  }
  return out;
}

const keyOf = (entityType: string, entityId: string) => JSON.stringify([entityType, entityId]);

export class DeltaClient {
  // Rows as the server has them; what is pending lies above.
  readonly #rows = new Map<string, Data>();
  #queue: PendingChange[] = [];
  #deviceId = "";
  #known = 0;
  #lineage = "";
  #cursor = "";
  // Rows are missing, one's own among them, until a last page has come.
  #isFresh = true;
  #lastSync: number | null = null;
  #running: Promise<void> | undefined;
  #again = false;
  #timer: unknown;
  #interval: unknown;
  #failures = 0;
  #batch: number;
  #closed = false;
  readonly #store: DeltaStore;
  readonly #options: DeltaOptions;
  readonly #timers: Timers;
  readonly #listeners = new Map<keyof DeltaEvents, Set<(event: never) => void>>();
  readonly #onReach = () => void this.#run();
  readonly #onVisible = () => {
    if (document.visibilityState === "visible") {
      void this.#run();
    }
  };

  static async open(options: DeltaOptions): Promise<DeltaClient> {
    const client = new DeltaClient(options);
    await client.#load();
    return client;
  }

  private constructor(options: DeltaOptions) {
    this.#options = options;
    this.#timers = options.timers ?? systemTimers;
    this.#batch = options.batch ?? 500;
    this.#store = typeof options.store === "string" ? openDeltaStore(options.store) : options.store;
  }

  // --- Rows
  get deviceId(): string {
    return this.#deviceId;
  }

  get(entityType: string, entityId: string): Data | undefined {
    const key = keyOf(entityType, entityId);
    let row = this.#rows.get(key);
    for (const change of this.#queue) {
      if (keyOf(change.entityType, change.entityId) === key) {
        row = after(row, change.type, change.data);
      }
    }
    return row === undefined ? undefined : structuredClone(row);
  }

  list(entityType: string): { id: string; data: Data }[] {
    const ids = new Set<string>();
    for (const key of this.#rows.keys()) {
      const [type, id] = JSON.parse(key) as [string, string];
      if (type === entityType) {
        ids.add(id);
      }
    }
    for (const change of this.#queue) {
      if (change.entityType === entityType) {
        ids.add(change.entityId);
      }
    }
    return [...ids].sort().flatMap((id) => {
      const data = this.get(entityType, id);
      return data === undefined ? [] : [{ id, data }];
    });
  }

  create(entityType: string, entityId: string, data: Data): Promise<string> {
    return this.#enqueue("CREATED", entityType, entityId, data);
  }
  update(entityType: string, entityId: string, data: Data): Promise<string> {
    return this.#enqueue("UPDATED", entityType, entityId, data);
  }
  delete(entityType: string, entityId: string): Promise<string> {
    return this.#enqueue("DELETED", entityType, entityId);
  }

  // --- Queue
  getAllPendingChanges(): PendingChange[] {
    return structuredClone(this.#queue);
  }
  getLocalStats(): LocalStats {
    const failed = this.#queue.filter((change) => change.attempts >= attemptsMax).length;
    return { pending: this.#queue.length - failed, failed, lastSync: this.#lastSync };
  }
  // What is not with the server yet, to be kept or sent by other means.
  export(): string {
    return JSON.stringify({
      deviceId: this.#deviceId,
      lastKnownServerVersion: this.#known,
      changes: this.#queue,
    });
  }

  // --- Sync
  // A person asks: what was given up is tried again, and at once.
  async sync(): Promise<void> {
    const given = this.#queue.filter((change) => change.attempts > 0);
    for (const change of given) {
      change.attempts = 0;
    }
    if (given.length > 0) {
      await this.#store.write(given.map((change) => this.#entry(change)));
    }
    this.#failures = 0;
    await this.#run();
  }
  // The same, and every row anew.
  async forceSync(): Promise<void> {
    await this.#running;
    this.#known = 0;
    this.#cursor = "";
    this.#isFresh = true;
    await this.sync();
  }

  on<K extends keyof DeltaEvents>(event: K, listener: (event: DeltaEvents[K]) => void): () => void {
    const all = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, all);
    all.add(listener as (event: never) => void);
    return () => void all.delete(listener as (event: never) => void);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timers.clear(this.#timer);
    this.#timers.clear(this.#interval);
    if (typeof window !== "undefined") {
      window.removeEventListener("online", this.#onReach);
      window.removeEventListener("focus", this.#onReach);
      document.removeEventListener("visibilitychange", this.#onVisible);
    }
    await this.#running;
    await this.#store.close();
  }

  async #load(): Promise<void> {
    for (const { kind, key, value } of await this.#store.load()) {
      if (kind === "queue") {
        this.#queue.push(value as PendingChange);
      } else if (kind === "row") {
        this.#rows.set(key, value as Data);
      } else if (key === "state") {
        const state = value as State;
        this.#deviceId = state.deviceId;
        this.#known = state.known;
        this.#lineage = state.lineage;
        this.#cursor = state.cursor;
        this.#isFresh = state.isFresh;
        this.#lastSync = state.lastSync;
      }
    }
    if (this.#deviceId === "") {
      this.#deviceId = crypto.randomUUID();
      await this.#store.write([this.#state()]);
    }
    if (typeof window !== "undefined") {
      window.addEventListener("online", this.#onReach);
      window.addEventListener("focus", this.#onReach);
      document.addEventListener("visibilitychange", this.#onVisible);
    }
    this.#tick();
  }

  #tick(): void {
    this.#interval = this.#timers.set(() => {
      void this.#run();
      this.#tick();
    }, this.#options.intervalMs ?? 30_000);
  }

  #state(): Entry {
    const value: State = {
      deviceId: this.#deviceId,
      known: this.#known,
      lineage: this.#lineage,
      cursor: this.#cursor,
      isFresh: this.#isFresh,
      lastSync: this.#lastSync,
    };
    return { kind: "meta", key: "state", value };
  }
  #entry(change: PendingChange): Entry {
    return { kind: "queue", key: change.changeId, value: change };
  }

  #emit<K extends keyof DeltaEvents>(event: K, value: DeltaEvents[K]): void {
    for (const listener of this.#listeners.get(event) ?? []) {
      (listener as (event: DeltaEvents[K]) => void)(value);
    }
  }

  async #enqueue(type: ChangeType, entityType: string, entityId: string, data?: Data): Promise<string> {
    const change: PendingChange = {
      changeId: crypto.randomUUID(),
      type,
      entityType,
      entityId,
      timestamp: this.#timers.now(),
      baseVersion: this.#known,
      attempts: 0,
    };
    if (data !== undefined) {
      change.data = structuredClone(data);
    }
    // Seen at once, and reported done when it is durable.
    this.#queue.push(change);
    this.#emit("change", [{ entityType, entityId }]);
    try {
      await this.#store.write([this.#entry(change)]);
    } catch (error) {
      this.#queue = this.#queue.filter((one) => one !== change);
      this.#emit("change", [{ entityType, entityId }]);
      throw error;
    }
    this.#schedule(this.#options.debounceMs ?? 5_000);
    return change.changeId;
  }

  #schedule(ms: number): void {
    this.#timers.clear(this.#timer);
    if (!this.#closed) {
      this.#timer = this.#timers.set(() => void this.#run(), ms);
    }
  }

  // One at a time; who asks meanwhile gets a run of his own after this one.
  #run(): Promise<void> {
    if (this.#closed) {
      return Promise.resolve();
    }
    if (this.#running !== undefined) {
      this.#again = true;
      return this.#running;
    }
    this.#running = (async () => {
      try {
        do {
          this.#again = false;
          await this.#exchange();
        } while (this.#again && !this.#closed);
      } finally {
        this.#running = undefined;
      }
    })();
    return this.#running;
  }

  async #exchange(): Promise<void> {
    this.#emit("status", "syncing");
    for (;;) {
      const batch = this.#queue
        .filter((change) => change.attempts < attemptsMax)
        .slice(0, this.#batch);
      let answer: Answer;
      try {
        answer = await this.#ask(batch);
        await this.#take(answer, batch);
      } catch (error) {
        // What cannot even be noted down is noted the next time.
        await this.#failed(error as Error, batch).catch(() => this.#schedule(backoffMaxMs));
        return;
      }
      this.#failures = 0;
      const left = this.#queue.some((change) => change.attempts < attemptsMax);
      if (!answer.hasMore && (!left || batch.length === 0)) {
        this.#emit("status", "idle");
        return;
      }
    }
  }

  async #ask(batch: PendingChange[]): Promise<Answer> {
    const headers: Record<string, string> = { "Content-Type": "application/json" };
    const token = await this.#options.token?.();
    if (token !== undefined) {
      headers.Authorization = `Bearer ${token}`;
    }
    if (this.#options.workspace !== undefined) {
      headers["Syncline-Workspace"] = this.#options.workspace;
    }
    const body = JSON.stringify({
      lastKnownServerVersion: this.#known,
      deviceId: this.#deviceId,
      lineage: this.#lineage,
      cursor: this.#cursor,
      includeOwn: this.#isFresh,
      changes: batch.map(({ attempts: _, lastError: __, ...change }) => change),
    });
    let reply: Response;
    try {
      reply = await (this.#options.fetch ?? fetch)(this.#options.url, { method: "POST", headers, body });
    } catch (error) {
      throw new Weather(String(error));
    }
    if (reply.status === 429 || reply.status === 502 || reply.status === 503 || reply.status === 504) {
      throw new Weather(`the server is busy (${reply.status})`, Number(reply.headers.get("Retry-After") ?? 0) * 1000);
    }
    if (reply.status === 401 || reply.status === 404) {
      throw new Denied(`the server lets nobody in (${reply.status})`);
    }
    if (reply.status === 413) {
      throw new TooLarge("the request is too large");
    }
    let text: string;
    try {
      text = await reply.text();
    } catch (error) {
      throw new Weather(String(error));
    }
    if (!reply.ok) {
      throw new Error(`${reply.status}: ${text.slice(0, 500)}`);
    }
    return JSON.parse(text) as Answer;
  }

  async #failed(error: Error, batch: PendingChange[]): Promise<void> {
    const backoff = Math.min(1000 * 2 ** this.#failures, backoffMaxMs);
    this.#failures = Math.min(this.#failures + 1, 10);
    const delay = backoff * (0.5 + this.#timers.random() / 2);
    if (error instanceof Weather) {
      this.#emit("status", "offline");
      this.#schedule(Math.max(delay, error.afterMs));
      return;
    }
    if (error instanceof Denied) {
      this.#emit("status", "denied");
      return;
    }
    if (error instanceof TooLarge && batch.length > 1) {
      // Fewer at a time; nobody is at fault yet.
      this.#batch = Math.ceil(batch.length / 2);
      this.#schedule(0);
      return;
    }
    for (const change of batch) {
      change.attempts++;
      change.lastError = error.message;
    }
    await this.#store.write(batch.map((change) => this.#entry(change)));
    this.#emit("status", "failed");
    if (this.#queue.some((change) => change.attempts < attemptsMax)) {
      this.#schedule(delay);
    }
  }

  async #take(answer: Answer, batch: PendingChange[]): Promise<void> {
    const touched = new Map<string, { entityType: string; entityId: string }>();
    const rows = new Map<string, Data | undefined>();
    const touch = (entityType: string, entityId: string) => {
      const key = keyOf(entityType, entityId);
      touched.set(key, { entityType, entityId });
      return key;
    };
    const rowAt = (key: string) => (rows.has(key) ? rows.get(key) : this.#rows.get(key));
    if (answer.resync === true || this.#known === 0) {
      // What the server does not tell again is gone.
      if (this.#cursor === "") {
        for (const key of this.#rows.keys()) {
          const [entityType, entityId] = JSON.parse(key) as [string, string];
          rows.set(touch(entityType, entityId), undefined);
        }
      }
    }
    const gone = new Set<string>();
    const lost = new Map(answer.conflicts.filter((c) => c.winner === "theirs").map((c) => [c.changeId, c]));
    const accepted = new Set(answer.accepted.map((one) => one.changeId));
    for (const change of batch) {
      if (!accepted.has(change.changeId)) {
        continue;
      }
      gone.add(change.changeId);
      const key = touch(change.entityType, change.entityId);
      const conflict = lost.get(change.changeId);
      let row = conflict?.reason === "deleted" ? undefined : after(rowAt(key), change.type, change.data);
      if (conflict !== undefined && row !== undefined) {
        row = { ...row };
        for (const [name, both] of Object.entries(conflict.fields)) {
          row[name] = both.theirs;
        }
      }
      rows.set(key, row);
    }
    const rejected: DeltaRejection[] = [];
    for (const one of answer.rejected) {
      const change = batch.find((other) => other.changeId === one.changeId);
      if (change !== undefined) {
        gone.add(change.changeId);
        touch(change.entityType, change.entityId);
        rejected.push({ changeId: one.changeId, code: one.code, reason: one.reason, change });
      }
    }
    for (const one of answer.newChanges) {
      const key = touch(one.entityType, one.entityId);
      const before = one.type === "UPDATED" ? (rowAt(key) ?? {}) : {};
      // Values as they are, not as patches.
      rows.set(key, one.type === "DELETED" ? undefined : { ...before, ...one.data });
    }
    this.#known = answer.latestServerVersion;
    this.#lineage = answer.lineage;
    this.#cursor = answer.cursor ?? "";
    this.#isFresh = answer.resync === true || (this.#isFresh && answer.hasMore);
    this.#lastSync = this.#timers.now();
    // Rows, queue and place move together, or not at all.
    const entries: Entry[] = [this.#state()];
    for (const [key, value] of rows) {
      entries.push(value === undefined ? { kind: "row", key } : { kind: "row", key, value });
    }
    for (const key of gone) {
      entries.push({ kind: "queue", key });
    }
    await this.#store.write(entries);
    for (const [key, value] of rows) {
      if (value === undefined) {
        this.#rows.delete(key);
      } else {
        this.#rows.set(key, value);
      }
    }
    this.#queue = this.#queue.filter((change) => !gone.has(change.changeId));
    if (touched.size > 0) {
      this.#emit("change", [...touched.values()]);
    }
    for (const conflict of answer.conflicts) {
      this.#emit("conflict", conflict);
    }
    for (const rejection of rejected) {
      this.#emit("rejected", rejection);
    }
  }
}
