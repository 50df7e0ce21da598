// One database and everything that only one place may do with it: its queries, its transaction, its
// conversation with the server, its live queries. Runs in the leader's worker, or in Node's own
// thread; clients reach it with requests (types.ts) and are told news.
//
// 1. One transaction is open at a time; whoever asks for something else waits until it has ended.
// 2. A request that comes with a tab's name is done at most once, also when the core that did it died
//    before it could answer: the request's id is kept in the same transaction.
import { Engine, type Link } from "./wasm.js";
import { applySchema } from "./schema.js";
import { readWhole, writeWhole, type Storage } from "./storage.js";
import { RequestQueue } from "./request_queue.js";
import {
  firstStatus,
  type Connection,
  type CoreConfig,
  type News,
  type Progress,
  type Schema,
  type Statement,
  type Status,
  type Transport,
} from "./types.js";
import { SynclineError, type SqlInput } from "./values.js";

const statusEveryMs = 250;
const flushAfterMs = 4;
const lookEveryMs = 50;
const transactionMsMax = 30_000;
const waitingMax = 10_000;
// As `frame_bytes_max` of src/wire/limits.h.
const frameBytesMax = 34 * 1024 * 1024;
const presencesMax = 2048;

/** Who asks: a tab, by its name; `once` when its requests may arrive twice. */
export interface Client {
  name: string;
  once: boolean;
  tell(news: News): void;
}

interface Ask {
  client: Client;
  id: number;
  /** Every request of this tab below it has been answered. */
  answered: number;
}

interface OpenTransaction {
  token: string;
  client: string;
  timer: ReturnType<typeof setTimeout>;
}

interface LiveQuery {
  client: Client;
  subscription: string;
  engineId: number;
}

const writes = (sql: string): boolean =>
  !/^\s*(select|values|explain|pragma)\b/i.test(sql) || /syncline_/i.test(sql);

export class Core {
  #engine!: Engine;
  readonly #clients = new Map<string, Client>();
  readonly #live = new Map<string, LiveQuery>();
  readonly #byEngineId = new Map<number, LiveQuery>();
  #transaction: OpenTransaction | null = null;
  #transactions = 0;
  readonly #waiting: (() => void)[] = [];
  #connection: Connection | null = null;
  #connections = 0;
  #wakeTimer: ReturnType<typeof setTimeout> | undefined;
  #flushTimer: ReturnType<typeof setTimeout> | undefined;
  #statusTimer: ReturnType<typeof setInterval> | undefined;
  #told = "";
  #lastStatus: Status = firstStatus;
  #started = false;
  #paused = false;
  #closed = false;
  #tokenAsked = false;
  readonly #schemas = new Set<string>();
  // What this replica says of itself: each connection has to be told.
  readonly #ownPresence = new Map<string, Uint8Array>();
  #wasUp = false;
  #lookedAt = 0;
  readonly #presences = new Map<string, { replica: string; key: string; value: unknown }>();
  #queue!: RequestQueue;

  readonly #config: CoreConfig;
  readonly #storage: Storage;
  readonly #transport: Transport;
  readonly #fileName: string;

  private constructor(
    config: CoreConfig,
    storage: Storage,
    transport: Transport,
    fileName: string,
  ) {
    this.#config = config;
    this.#storage = storage;
    this.#transport = transport;
    this.#fileName = fileName;
    this.#paused = config.paused ?? false;
  }

  static async open(
    config: CoreConfig,
    module: WebAssembly.Module,
    storage: Storage,
    transport: Transport,
    fileName: string,
  ): Promise<Core> {
    const core = new Core(config, storage, transport, fileName);
    if (config.from && !storage.exists(fileName)) writeWhole(storage, fileName, config.from);
    core.#engine = await Engine.open(module, storage, core.#link(), fileName);
    core.#engine.script(
      "CREATE TABLE IF NOT EXISTS syncline_page_requests(tab TEXT NOT NULL, id INTEGER NOT NULL," +
        " at INTEGER NOT NULL, answer BLOB, PRIMARY KEY(tab, id)) WITHOUT ROWID",
    );
    core.#engine.query("DELETE FROM syncline_page_requests WHERE at < ?1", [Date.now() - 86_400_000]);
    core.#queue = new RequestQueue(core.#engine, (key, response) =>
      core.#broadcast({ news: "request-done", key, response }),
    );
    if (config.schema) core.#useSchema(config.schema);
    core.#statusTimer = setInterval(() => core.#lookAtStatus(), statusEveryMs);
    // In Node an open database alone keeps no program running.
    (core.#statusTimer as { unref?: () => void }).unref?.();
    core.#start();
    core.#queue.wake();
    return core;
  }

  /** Ends everything; what was committed is kept. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#statusTimer);
    clearTimeout(this.#wakeTimer);
    clearTimeout(this.#flushTimer);
    clearTimeout(this.#transaction?.timer);
    this.#queue.close();
    try {
      if (this.#started) this.#engine.stop(performance.now());
      this.#engine.close();
    } finally {
      this.#connection?.close();
      this.#connection = null;
      this.#storage.dispose();
    }
  }

  get status(): Status {
    return this.#lastStatus;
  }

  // --- Clients ------------------------------------------------------------------------------------

  join(client: Client): void {
    this.#clients.set(client.name, client);
    client.tell({ news: "status", status: this.#readStatus() });
    for (const presence of this.#presences.values()) client.tell({ news: "presence", ...presence });
  }

  leave(name: string): void {
    this.#clients.delete(name);
    for (const [key, query] of this.#live) if (query.client.name === name) this.#unsubscribe(key);
    if (this.#transaction?.client === name) this.#endTransaction("ROLLBACK");
  }

  #broadcast(news: News): void {
    for (const client of this.#clients.values()) client.tell(news);
  }

  // --- Requests -----------------------------------------------------------------------------------

  async handle(ask: Ask, op: string, args: unknown[]): Promise<unknown> {
    if (this.#closed) throw new SynclineError("cancelled", "the database was closed", true);
    switch (op) {
      case "query":
        return this.#whenFree(args[2] as string | undefined, () =>
          this.#query(ask, args[0] as string, (args[1] ?? []) as SqlInput[], args[2] as string | undefined),
        );
      case "batch":
        return this.#whenFree(undefined, () => this.#batch(ask, args[0] as Statement[]));
      case "script":
        return this.#whenFree(args[1] as string | undefined, () => this.#wrote(() => this.#engine.script(args[0] as string)));
      case "schema":
        return this.#whenFree(undefined, () => this.#wrote(() => this.#useSchema(args[0] as Schema)));
      case "migrate":
        return this.#whenFree(undefined, () => this.#wrote(() => this.#migrate(args[0] as string)));
      case "begin":
        return this.#whenFree(undefined, () => this.#begin(ask));
      case "commit":
        return this.#commit(ask, args[0] as string);
      case "rollback":
        if (this.#transaction?.token === args[0]) this.#endTransaction("ROLLBACK");
        return undefined;
      case "subscribe":
        return this.#whenFree(undefined, () =>
          this.#subscribe(ask.client, args[0] as string, args[1] as string, (args[2] ?? []) as SqlInput[]),
        );
      case "unsubscribe":
        return this.#unsubscribe(args[0] as string);
      default:
        return this.#handleRest(op, args);
    }
  }

  #handleRest(op: string, args: unknown[]): unknown {
    const now = performance.now();
    switch (op) {
      case "status": {
        // Told as well: else who waits for a change would not hear of one back to what was told last.
        const status = this.#readStatus();
        this.#tellStatus(status);
        return status;
      }
      case "sync":
        this.#askForToken();
        this.#run(() => this.#engine.sync(now));
        this.#queue.wake(true);
        return undefined;
      case "resync":
        this.#askForToken();
        return this.#run(() => this.#engine.resync(now));
      case "pause":
        return this.#pause(true);
      case "resume":
        return this.#pause(false);
      case "token":
        this.#tokenAsked = false;
        this.#config.token = args[0] as string;
        return this.#run(() => (this.#started ? this.#engine.token(now, args[0] as string) : this.#start()));
      case "presence": {
        const value = new TextEncoder().encode(args[1] === undefined ? "" : JSON.stringify(args[1]));
        this.#ownPresence.set(args[0] as string, value);
        return this.#run(() => this.#engine.presence(now, args[0] as string, value));
      }
      case "enqueue":
        return this.#queue.add(args[0] as string, args[1] as string);
      case "outbox":
        return this.#whenFree(undefined, () => this.#engine.outbox(args[0] as number, args[1] as number));
      case "acknowledge":
        return this.#whenFree(undefined, () => this.#wrote(() => this.#engine.acknowledge(args[0] as number)));
      case "receive":
        return this.#whenFree(undefined, () =>
          this.#wrote(() => this.#engine.receive(args[0] as number, args[1] as Uint8Array[])),
        );
      case "file":
        return this.#whenFree(undefined, () => this.#wholeFile());
      default:
        throw new SynclineError("invalid_argument", `no operation is called ${op}`);
    }
  }

  /** Invariant 1. */
  #whenFree<T>(token: string | undefined, work: () => T): Promise<T> | T {
    if (token !== undefined) {
      if (this.#transaction?.token !== token) {
        throw new SynclineError("cancelled", "the transaction has ended", true);
      }
      return work();
    }
    if (!this.#transaction) return work();
    if (this.#waiting.length >= waitingMax) {
      throw new SynclineError("busy", "too much waits for a transaction to end", true);
    }
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push(() => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #letOthersIn(): void {
    while (!this.#transaction && this.#waiting.length > 0) this.#waiting.shift()!();
  }

  #wrote<T>(work: () => T): T {
    try {
      return work();
    } finally {
      this.#flushSoon();
    }
  }

  #query(ask: Ask, sql: string, values: SqlInput[], token?: string): Uint8Array {
    if (token !== undefined || !ask.client.once || !writes(sql)) {
      const answer = this.#engine.queryPacked(sql, values).slice();
      if (token === undefined && this.#engine.inTransaction()) {
        this.#engine.script("ROLLBACK");
        throw new SynclineError("invalid_argument", "use transaction() instead of BEGIN: other tabs share the connection");
      }
      if (writes(sql)) this.#flushSoon();
      return answer;
    }
    return this.#once(ask, () => this.#engine.queryPacked(sql, values).slice());
  }

  #batch(ask: Ask, statements: Statement[]): Uint8Array {
    return this.#once(ask, () => {
      const answers = statements.map(([sql, values]) => this.#engine.queryPacked(sql, (values ?? []) as SqlInput[]).slice());
      const size = answers.reduce((sum, answer) => sum + answer.length, 0);
      const out = new Uint8Array(size);
      let at = 0;
      for (const answer of answers) {
        out.set(answer, at);
        at += answer.length;
      }
      return out;
    });
  }

  /** Does `work` in a transaction. Invariant 2. */
  #once(ask: Ask, work: () => Uint8Array): Uint8Array {
    const { client, id, answered } = ask;
    if (client.once) {
      const before = this.#kept(client.name, id);
      if (before) return before;
    }
    this.#engine.query("BEGIN IMMEDIATE");
    try {
      const answer = work();
      if (client.once) this.#keep(client.name, id, answered, answer);
      this.#engine.query("COMMIT");
      return answer;
    } catch (error) {
      if (this.#engine.inTransaction()) this.#engine.query("ROLLBACK");
      throw error;
    } finally {
      this.#flushSoon();
    }
  }

  #kept(tab: string, id: number): Uint8Array | undefined {
    const { values } = this.#engine.query(
      "SELECT answer FROM syncline_page_requests WHERE tab = ?1 AND id = ?2",
      [tab, id],
    );
    return values[0]?.[0] as Uint8Array | undefined;
  }

  #keep(tab: string, id: number, answered: number, answer: Uint8Array): void {
    this.#engine.query("DELETE FROM syncline_page_requests WHERE tab = ?1 AND id < ?2", [tab, answered]);
    this.#engine.query("INSERT INTO syncline_page_requests VALUES(?1, ?2, ?3, ?4)", [tab, id, Date.now(), answer]);
  }

  // --- Transactions -------------------------------------------------------------------------------

  #begin(ask: Ask): string {
    this.#engine.query("BEGIN IMMEDIATE");
    const token = `${ask.client.name}:${++this.#transactions}:${Date.now()}`;
    const timer = setTimeout(() => this.#endTransaction("ROLLBACK"), transactionMsMax);
    this.#transaction = { token, client: ask.client.name, timer };
    return token;
  }

  #commit(ask: Ask, token: string): void {
    if (this.#transaction?.token !== token) {
      // The commit may have been the last thing that a leader did.
      if (ask.client.once && this.#kept(ask.client.name, ask.id)) return;
      throw new SynclineError("cancelled", "the transaction was lost with the tab that held the database", true);
    }
    try {
      if (ask.client.once) this.#keep(ask.client.name, ask.id, ask.answered, new Uint8Array(0));
    } catch (error) {
      this.#endTransaction("ROLLBACK");
      throw error;
    }
    this.#endTransaction("COMMIT");
  }

  #endTransaction(how: "COMMIT" | "ROLLBACK"): void {
    clearTimeout(this.#transaction?.timer);
    try {
      if (this.#engine.inTransaction()) this.#engine.query(how);
    } catch (error) {
      if (this.#engine.inTransaction()) this.#engine.query("ROLLBACK");
      throw error;
    } finally {
      this.#transaction = null;
      this.#flushSoon();
      this.#letOthersIn();
    }
  }

  #migrate(sql: string): void {
    this.#engine.script("SELECT syncline_alter_begin()");
    try {
      this.#engine.script(sql);
      this.#engine.script("SELECT syncline_alter_commit()");
    } catch (error) {
      if (this.#engine.inTransaction()) this.#engine.script("ROLLBACK");
      throw error;
    }
  }

  #useSchema(schema: Schema): void {
    const text = JSON.stringify(schema);
    if (this.#schemas.has(text)) return;
    applySchema(this.#engine, schema);
    this.#schemas.add(text);
  }

  #wholeFile(): Uint8Array {
    this.#engine.query("PRAGMA wal_checkpoint(truncate)");
    return readWhole(this.#storage, this.#fileName)!;
  }

  // --- Live queries -------------------------------------------------------------------------------

  #subscribe(client: Client, subscription: string, sql: string, values: SqlInput[]): void {
    const key = `${client.name}/${subscription}`;
    if (this.#live.has(key)) this.#unsubscribe(key);
    const query = { client, subscription, engineId: this.#engine.subscribe(sql, values) };
    this.#live.set(key, query);
    this.#byEngineId.set(query.engineId, query);
    this.#flush();
  }

  #unsubscribe(key: string): void {
    const query = this.#live.get(key);
    if (!query) return;
    this.#live.delete(key);
    this.#byEngineId.delete(query.engineId);
    this.#engine.unsubscribe(query.engineId);
  }

  /** Soon, so that many writes are told of together. */
  #flushSoon(): void {
    if (this.#flushTimer === undefined && !this.#closed) {
      this.#flushTimer = setTimeout(() => this.#flush(), flushAfterMs);
    }
  }

  #flush(): void {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    if (this.#closed || this.#transaction) return;
    if (this.#live.size > 0) {
      try {
        for (const told of this.#engine.poll()) {
          const query = this.#byEngineId.get(told.id);
          if (!query) continue;
          const { subscription } = query;
          if ("rows" in told) query.client.tell({ news: "live", subscription, rows: told.rows });
          else query.client.tell({ news: "live-failed", subscription, error: told.error });
        }
      } catch (error) {
        const { code = "internal", message } = error as SynclineError;
        for (const query of this.#live.values()) {
          query.client.tell({ news: "live-failed", subscription: query.subscription, error: { code, message } });
        }
      }
    }
    const events = this.#engine.events();
    if (events.length > 0) this.#broadcast({ news: "events", events });
    this.#lookAtStatus();
  }

  // --- Status -------------------------------------------------------------------------------------

  #readStatus(): Status {
    const { session, engine } = this.#engine.status(performance.now());
    const progress = session.progress as Progress;
    const busy = session.activity === "bootstrap" || session.activity === "rescan";
    this.#lastStatus = {
      ...firstStatus,
      status: session.status as Status["status"],
      activity: session.activity as Status["activity"],
      cause: session.cause as string,
      message: session.message as string,
      advice: session.advice as string,
      pending: engine.pending as number,
      rejected: engine.rejected as number,
      held: engine.held as number,
      conflicts: engine.conflicts as number,
      progress: busy && progress.rowsTotal > 0 ? progress : null,
      paused: this.#paused,
      replica: engine.replica as string,
      storage: this.#storage.kind,
    };
    if (this.#lacksToken && this.#config.url && !this.#paused) {
      Object.assign(this.#lastStatus, { status: "connecting", cause: "no_token", message: "waiting for a token" });
    }
    return this.#lastStatus;
  }

  #lookAtStatus(): void {
    if (this.#closed || this.#transaction) return;
    let status: Status;
    try {
      status = this.#readStatus();
    } catch {
      return;
    }
    const isUp = status.status === "synced" || status.status === "syncing";
    if (isUp && !this.#wasUp) {
      for (const [key, value] of this.#ownPresence) this.#engine.presence(performance.now(), key, value);
    }
    this.#wasUp = isUp;
    this.#tellStatus(status);
  }

  #tellStatus(status: Status): void {
    const text = JSON.stringify(status);
    if (text === this.#told) return;
    this.#told = text;
    this.#broadcast({ news: "status", status });
    if (!this.#tokenAsked) this.#askForToken();
  }

  // Whoever had none, or a bad one, may have another by now.
  #askForToken(): void {
    if (this.#lastStatus.cause !== "not_allowed" && !this.#lacksToken) return;
    this.#tokenAsked = true;
    this.#broadcast({ news: "token-wanted" });
  }

  // --- The conversation ---------------------------------------------------------------------------

  get #lacksToken(): boolean {
    return this.#config.bringsToken === true && this.#config.token === undefined;
  }

  #start(): void {
    const { url, workspace, token } = this.#config;
    if (this.#started || this.#paused || !url || !workspace || this.#lacksToken) return;
    this.#engine.start(performance.now(), workspace, token ?? "");
    this.#started = true;
  }

  #pause(paused: boolean): void {
    this.#paused = paused;
    this.#queue.pause(paused);
    if (paused && this.#started) {
      this.#started = false;
      this.#run(() => this.#engine.stop(performance.now()));
      this.#connection?.close();
      this.#connection = null;
      this.#presences.clear();
    } else if (!paused) {
      this.#run(() => this.#start());
    }
  }

  #run(work: () => void): void {
    try {
      work();
    } finally {
      this.#flushSoon();
    }
  }

  #link(): Link {
    return {
      dial: () => {
        this.#connection?.close();
        const number = ++this.#connections;
        const mine = (work: () => void) => () => {
          if (!this.#closed && number === this.#connections) this.#run(work);
        };
        // Not from within the engine: a transport may answer at once.
        queueMicrotask(() => {
          if (this.#closed || number !== this.#connections || this.#paused) return;
          this.#connection = this.#transport.dial(this.#config.url!, {
            open: mine(() => this.#engine.connected(performance.now())),
            frame: (frame) => mine(() => this.#takeFrame(frame))(),
            closed: (reason = "") => mine(() => this.#cutOff(reason))(),
          });
        });
      },
      send: (frame) => this.#connection?.send(frame),
      hangUp: () => {
        this.#connections++;
        const connection = this.#connection;
        this.#connection = null;
        // After what was sent.
        queueMicrotask(() => connection?.close());
      },
      wakeAt: (at) => {
        clearTimeout(this.#wakeTimer);
        const wait = Math.max(0, at - performance.now());
        this.#wakeTimer = setTimeout(() => {
          if (!this.#closed) this.#run(() => this.#engine.wakeup(performance.now()));
        }, wait);
        (this.#wakeTimer as { unref?: () => void }).unref?.();
      },
      salvaged: (reason, file) => this.#broadcast({ news: "salvaged", reason, file }),
      presence: (replica, key, bytes) => this.#seePresence(replica, key, bytes),
    };
  }

  #cutOff(reason: string): void {
    this.#connection = null;
    this.#connections++;
    this.#presences.clear();
    this.#engine.disconnected(performance.now(), reason);
  }

  /** Frames may come faster than timers run: progress is to be seen meanwhile. */
  #takeFrame(frame: Uint8Array): void {
    if (frame.length > frameBytesMax) {
      // The module's memory would grow to hold it, and never shrink.
      this.#connection?.close();
      this.#cutOff("a frame is too large");
      return;
    }
    this.#engine.frame(performance.now(), frame);
    const now = performance.now();
    if (now - this.#lookedAt < lookEveryMs) return;
    this.#lookedAt = now;
    this.#lookAtStatus();
  }

  #seePresence(replica: string, key: string, bytes: Uint8Array): void {
    let value: unknown;
    try {
      value = bytes.length === 0 ? undefined : JSON.parse(new TextDecoder().decode(bytes));
    } catch {
      return; // not a page's
    }
    const name = `${replica}/${key}`;
    if (value === undefined) this.#presences.delete(name);
    else this.#presences.set(name, { replica, key, value });
    this.#broadcast({ news: "presence", replica, key, value });
    if (this.#presences.size <= presencesMax) return;
    // No server tells of so many; the oldest go.
    const [oldest, entry] = this.#presences.entries().next().value!;
    this.#presences.delete(oldest);
    this.#broadcast({ news: "presence", replica: entry.replica, key: entry.key, value: undefined });
  }
}
