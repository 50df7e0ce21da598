import { AutoSync, type AutoSyncOptions } from "./auto_sync.js";
import type { DocOptions, LiveDoc } from "./doc.js";
import { LiveQuery } from "./live.js";
import type { Port } from "./port.js";
import { Store } from "./store.js";
import { Collection, Table, type Document } from "./table.js";
import {
  firstStatus,
  type News,
  type Progress,
  type RequestOutcome,
  type Schema,
  type Statement,
  type Status,
  type SyncEvent,
} from "./types.js";
import { inOrder, objects, SynclineError, Unpacker, type Done, type Row, type SqlInput, type SqlParameters } from "./values.js";

/** What a database and a transaction have in common. */
export interface Sql {
  /** Runs one statement. */
  exec(sql: string, values?: SqlParameters): Promise<{ changes: number; lastInsertRowid: number | bigint }>;
  /** All rows, as objects. */
  query<T = Row>(sql: string, values?: SqlParameters): Promise<T[]>;
  /** The first row. */
  get<T = Row>(sql: string, values?: SqlParameters): Promise<T | undefined>;
}

export interface Conflict {
  id: string;
  table_name: string;
  key: string;
  column_name: string;
  base: string;
  mine: string;
  theirs: string;
  winner: string;
}

export type Rejected = Row & { id: number; code: string; message: string };
export type Held = Row & { id: number; reason: string };
export type Choice = "mine" | "theirs" | "merged" | "value";

export interface PresenceEntry {
  replica: string;
  key: string;
  value: unknown;
}

export interface QueuedRequest {
  url: string;
  method?: string;
  headers?: Record<string, string>;
  body?: string | object;
  /** The same key is done once, however often it is queued. */
  key?: string;
}

type TokenSource = string | (() => string | Promise<string>);

/** A timer that keeps no program in Node running. */
function later(act: () => void, ms: number): ReturnType<typeof setTimeout> {
  const timer = setTimeout(act, ms);
  (timer as { unref?: () => void }).unref?.();
  return timer;
}

/** What the application's callback brings; it may throw, or never answer. */
async function answerOf(token: () => string | Promise<string>): Promise<string> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = later(() => reject(new Error("the callback does not answer")), tokenMsMax);
  });
  try {
    const answer = await Promise.race([token(), late]);
    if (typeof answer !== "string") throw new Error("the callback brought none");
    return answer;
  } finally {
    clearTimeout(timer);
  }
}

export interface DatabaseOptions {
  token?: TokenSource;
  url?: string;
  autoSync?: AutoSyncOptions | false;
}

const retriesMax = 3;
const tokenMsMax = 30_000;
const tokenWaitMsMax = 60_000;
const databases = new Map<string, Database>();

/** An open database by its name, for elements that name it (`for="..."`). */
export function opened(name: string): Database | undefined {
  return databases.get(name);
}

const openListeners = new Set<(db: Database) => void>();

/** Told of each database that is opened from now on. */
export function onOpened(told: (db: Database) => void): () => void {
  openListeners.add(told);
  return () => openListeners.delete(told);
}

/** A synced SQLite database. Made by `open()`. */
export class Database implements Sql {
  readonly status = new Store<Status>(firstStatus);
  /** While rows come in bulk (a first fill, a rescan); else null. */
  readonly progress = new Store<Progress | null>(null);
  /** What other replicas say of themselves. */
  readonly presence = new Store<PresenceEntry[]>([]);
  readonly conflicts: LiveQuery<Conflict>;
  readonly rejected: LiveQuery<Rejected>;
  readonly held: LiveQuery<Held>;
  /** Whether this tab holds the database itself, or another one does. */
  readonly isLeader = new Store<boolean>(false);
  readonly #auto: AutoSync | null;
  readonly #live_ = new Map<string, LiveQuery<never>>();
  readonly #listeners = new Map<string, Set<(event: SyncEvent) => void>>();
  readonly #salvagedListeners = new Set<(reason: string, file: Uint8Array) => void>();
  #bringsToken = false;
  readonly #outcomes = new Map<string, ((outcome: RequestOutcome) => void)[]>();
  readonly #presences = new Map<string, PresenceEntry>();
  readonly #docs = new Set<LiveDoc>();
  #nextLive = 1;
  #isClosed = false;

  readonly #port: Port;
  readonly #options: DatabaseOptions;

  constructor(
    readonly name: string,
    port: Port,
    options: DatabaseOptions,
  ) {
    this.#port = port;
    this.#options = options;
    this.conflicts = this.live("SELECT * FROM syncline_conflicts ORDER BY id");
    this.rejected = this.live("SELECT * FROM syncline_rejected ORDER BY id");
    this.held = this.live("SELECT * FROM syncline_held ORDER BY id");
    this.#auto = options.autoSync === false || !options.url ? null : new AutoSync(this, options.url, options.autoSync ?? {});
    databases.set(name, this);
    port.onNews = (news) => this.#take(news);
    if (options.url) void this.#bringToken();
    for (const told of [...openListeners]) told(this);
  }

  // --- SQL ----------------------------------------------------------------------------------------

  async #run(sql: string, values: SqlParameters, transaction?: string): Promise<Done> {
    const packed = (await this.#port.request("query", [sql, inOrder(sql, values), transaction])) as Uint8Array;
    return new Unpacker(packed).done();
  }

  async exec(sql: string, values: SqlParameters = []): Promise<{ changes: number; lastInsertRowid: number | bigint }> {
    const { changes, lastInsertRowid } = await this.#run(sql, values);
    return { changes, lastInsertRowid };
  }

  async query<T = Row>(sql: string, values: SqlParameters = []): Promise<T[]> {
    return objects<T>(await this.#run(sql, values));
  }

  async get<T = Row>(sql: string, values: SqlParameters = []): Promise<T | undefined> {
    return (await this.query<T>(sql, values))[0];
  }

  /** Statements that are one transaction, in one go. */
  async batch(statements: readonly Statement[]): Promise<Row[][]> {
    const inOrders = statements.map(([sql, values = []]) => [sql, inOrder(sql, values)]);
    const unpacker = new Unpacker((await this.#port.request("batch", [inOrders])) as Uint8Array);
    return statements.map(() => objects(unpacker.done()));
  }

  /** Many statements without parameters, such as DDL of tables that do not sync. */
  async script(sql: string): Promise<void> {
    await this.#port.request("script", [sql]);
  }

  /** DDL of synced tables: one transaction, after which the schema has a new version. */
  async migrate(sql: string): Promise<void> {
    await this.#port.request("migrate", [sql]);
  }

  /** Adds what the schema describes and the database lacks. */
  async useSchema(schema: Schema): Promise<void> {
    await this.#port.request("schema", [schema]);
  }

  /**
   * Everything that `work` does through `tx` is one transaction, rolled back when it throws. Others
   * wait meanwhile, and after 30 s it is rolled back. When the tab that holds the database goes in
   * the middle of it, `work` is called again.
   */
  async transaction<T>(work: (tx: Sql) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#transactOnce(work);
      } catch (error) {
        const lost = error instanceof SynclineError && error.code === "cancelled" && error.retryable;
        if (!lost || attempt >= retriesMax || this.#isClosed) throw error;
      }
    }
  }

  async #transactOnce<T>(work: (tx: Sql) => Promise<T>): Promise<T> {
    const token = (await this.#port.request("begin")) as string;
    const run = (sql: string, values: SqlParameters = []): Promise<Done> => this.#run(sql, values, token);
    const tx: Sql = {
      exec: async (sql, values) => {
        const { changes, lastInsertRowid } = await run(sql, values);
        return { changes, lastInsertRowid };
      },
      query: async <R>(sql: string, values?: SqlParameters) => objects<R>(await run(sql, values)),
      get: async <R>(sql: string, values?: SqlParameters) => objects<R>(await run(sql, values))[0],
    };
    let result: T;
    try {
      result = await work(tx);
    } catch (error) {
      await this.#port.request("rollback", [token]).catch(() => {});
      throw error;
    }
    await this.#port.request("commit", [token]);
    return result;
  }

  table<T extends object = Row>(name: string, key = "id"): Table<T> {
    return new Table<T>(this, name, key);
  }

  collection<T extends Document = Document>(name: string): Collection<T> {
    return new Collection<T>(this, name);
  }

  /** A query that follows the database; see LiveQuery. */
  live<T = Row>(sql: string, values: SqlParameters = [], shape?: (row: Row) => T): LiveQuery<T> {
    const id = `live-${this.#nextLive++}`;
    return new LiveQuery<T>(this.#port, id, sql, inOrder(sql, values), (query, inUse) => {
      if (inUse) this.#live_.set(id, query as unknown as LiveQuery<never>);
      else this.#live_.delete(id);
    }, shape);
  }

  /**
   * A cell of a column tracked as `text` or `doc` as a live `Y.Doc`, for editors to bind to. `key` is
   * the row's key, or the values of a key of several columns. Needs the package `yjs`.
   */
  async doc(table: string, key: SqlInput | readonly SqlInput[], column: string, options?: DocOptions): Promise<LiveDoc> {
    // A file of its own: most pages have no documents.
    const { LiveDoc } = await import("./doc.js");
    const live = await LiveDoc.open(this, { table, key, column }, options);
    this.#docs.add(live);
    void live.over.then(() => this.#docs.delete(live));
    return live;
  }

  // --- Syncing ------------------------------------------------------------------------------------

  /** Tries at once, whatever the back-off says. */
  async sync(): Promise<void> {
    await this.#port.request("sync");
  }

  /** Stops talking to the server; writing goes on. */
  async pause(): Promise<void> {
    await this.#port.request("pause");
  }

  async resume(): Promise<void> {
    await this.#port.request("resume");
  }

  /** Compares all rows with the server's. Unsent work is kept. */
  async resync(): Promise<void> {
    await this.#port.request("resync");
  }

  /** Resolves once everything written before is acknowledged and applied. */
  async synced(timeoutMs = 30_000): Promise<void> {
    let stop: (() => void) | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    // Looked at after what was asked before has been done.
    const now = (await this.#port.request("status")) as Status;
    if (now.status === "synced") return;
    try {
      await new Promise<void>((resolve, reject) => {
        // What was answered was told, too, so the store is not older than the answer.
        stop = this.status.subscribe(({ status, message }) => {
          if (status === "synced") resolve();
          if (status === "stuck" || status === "incompatible") {
            reject(new SynclineError("unreachable", message || `the replica is ${status}`));
          }
        });
        timer = setTimeout(
          () => reject(new SynclineError("timed_out", `the replica is ${this.status.value.status}`, true)),
          timeoutMs,
        );
      });
    } finally {
      stop?.();
      clearTimeout(timer);
    }
  }

  /** A token that replaces the one before, also in a live connection. */
  async refreshToken(token: string): Promise<void> {
    await this.#port.request("token", [token]);
  }

  /** Unsent changes, as bytes for a file. */
  async exportPending(): Promise<Uint8Array> {
    const [row] = await this.query<{ file: Uint8Array }>("SELECT syncline_export_pending() AS file");
    return row!.file;
  }

  /** Takes such a file back, here or on another device, under its identities. */
  async importPending(file: Uint8Array): Promise<void> {
    await this.exec("SELECT syncline_import(?1)", [file]);
  }

  /** The whole database as a file, to be given to `open({from})`. */
  async exportFile(): Promise<Uint8Array> {
    return (await this.#port.request("file")) as Uint8Array;
  }

  /** Settles a conflict, on every replica. `value` goes with "value". */
  async resolve(conflict: string, how: Choice, value?: SqlInput): Promise<void> {
    if (how === "value") await this.exec("SELECT syncline_resolve(?1, ?2, ?3)", [conflict, how, value]);
    else await this.exec("SELECT syncline_resolve(?1, ?2)", [conflict, how]);
  }

  /** Base, mine and theirs merged field by field, and where they disagree. */
  async threeWay(base: SqlInput, mine: SqlInput, theirs: SqlInput): Promise<{ clean: boolean; merged: unknown; disagreements: unknown[] }> {
    const row = await this.get<{ merged: string }>("SELECT syncline_three_way(?1, ?2, ?3) AS merged", [base, mine, theirs]);
    return JSON.parse(row!.merged);
  }

  /** Does a refused change again, or forgets it. */
  async retryRejected(id: number): Promise<void> {
    await this.exec("SELECT syncline_retry_rejected(?1)", [id]);
  }

  async discardRejected(id: number): Promise<void> {
    await this.exec("SELECT syncline_discard_rejected(?1)", [id]);
  }

  /** Tells the others, until this replica goes; undefined takes it away. */
  async setPresence(key: string, value: unknown): Promise<void> {
    await this.#port.request("presence", [key, value]);
  }

  /**
   * A call to a server of the application's, made when there is a way to it: kept through reloads,
   * tried again with back-off, sent with its key as `Idempotency-Key`. Resolves with the answer.
   */
  async queueRequest(request: QueuedRequest): Promise<RequestOutcome> {
    const { url, method = "POST", headers = {}, body = null, key = crypto.randomUUID() } = request;
    const isText = typeof body === "string" || body === null;
    const base = (globalThis as { location?: Location }).location?.href;
    const kept = {
      url: new URL(url, base).href,
      method,
      headers: isText ? headers : { "Content-Type": "application/json", ...headers },
      body: isText ? body : JSON.stringify(body),
    };
    const done = new Promise<RequestOutcome>((resolve) => {
      this.#outcomes.set(key, [...(this.#outcomes.get(key) ?? []), resolve]);
    });
    const before = (await this.#port.request("enqueue", [key, JSON.stringify(kept)])) as RequestOutcome | null;
    return before ?? done;
  }

  // --- Being told ---------------------------------------------------------------------------------

  /** Events by their stable name, or all of them under "*". */
  on(name: string, told: (event: SyncEvent) => void): () => void {
    const set = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, set.add(told));
    return () => set.delete(told);
  }

  /** Unsent changes, before something that could have cost them; the database holds a copy, too. */
  onSalvaged(told: (reason: string, file: Uint8Array) => void): () => void {
    this.#salvagedListeners.add(told);
    return () => this.#salvagedListeners.delete(told);
  }

  #take(news: News): void {
    switch (news.news) {
      case "status":
        this.status.set(news.status);
        if (JSON.stringify(news.status.progress) !== JSON.stringify(this.progress.value)) {
          this.progress.set(news.status.progress);
        }
        if (news.status.status === "disconnected" && this.#presences.size > 0) {
          this.#presences.clear();
          this.presence.set([]);
        }
        return;
      case "live":
        this.#live_.get(news.subscription)?.take(news.rows);
        return;
      case "live-failed":
        this.#live_.get(news.subscription)?.fail(new SynclineError(news.error.code, news.error.message));
        return;
      case "events":
        for (const event of news.events) {
          for (const name of [event.name, "*"]) for (const told of this.#listeners.get(name) ?? []) told(event);
        }
        return;
      case "presence":
        return this.#seePresence(news);
      case "salvaged":
        for (const told of this.#salvagedListeners) told(news.reason, news.file);
        return;
      case "token-wanted":
        void this.#bringToken();
        return;
      case "request-done":
        for (const told of this.#outcomes.get(news.key) ?? []) told(news.response);
        this.#outcomes.delete(news.key);
        return;
      case "leader":
        this.isLeader.set(news.isOwn);
        for (const query of this.#live_.values()) query.resume();
        return;
    }
  }

  #seePresence({ replica, key, value }: PresenceEntry): void {
    const name = `${replica}/${key}`;
    if (value === undefined) this.#presences.delete(name);
    else this.#presences.set(name, { replica, key, value });
    this.presence.set([...this.#presences.values()]);
  }

  async #bringToken(): Promise<void> {
    const { token } = this.#options;
    if (typeof token !== "function" || this.#bringsToken) return;
    this.#bringsToken = true;
    for (let wait = 1000; !this.#isClosed; wait = Math.min(wait * 2, tokenWaitMsMax)) {
      try {
        await this.refreshToken(await answerOf(token));
        break;
      } catch (error) {
        if (this.#isClosed) break;
        this.#tellOfToken(error as Error);
        await new Promise((done) => later(() => done(undefined), wait));
      }
    }
    this.#bringsToken = false;
  }

  #tellOfToken({ message }: Error): void {
    console.warn(`syncline: no token: ${message}`);
    const payload = { code: "not_allowed", message: `no token: ${message}`, retryable: true };
    this.#take({ news: "events", events: [{ name: "sync.error:action", at: Date.now(), payload }] });
  }

  /** For transports of the application's own (providers.ts). */
  get carrier(): Pick<Port, "request"> {
    return this.#port;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await Promise.all([...this.#docs].map((live) => live.close()));
    if (databases.get(this.name) === this) databases.delete(this.name);
    this.#auto?.stop();
    await this.#port.close();
  }
}
