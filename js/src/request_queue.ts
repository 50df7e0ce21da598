// Calls to an application's own server that were made offline: kept in the database, done in order,
// tried again with back-off, each with a key that lets the server do it at most once.
import type { Engine } from "./wasm.js";
import type { RequestOutcome } from "./types.js";

const backoffMs = [1000, 2000, 5000, 10_000, 30_000, 60_000];
const timeoutMs = 30_000;
const bodyCharsMax = 1_000_000;

interface Kept {
  url: string;
  method: string;
  headers: Record<string, string>;
  body: string | null;
}

export class RequestQueue {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #busy = false;
  #closed = false;
  #paused = false;

  readonly #engine: Engine;
  readonly #done: (key: string, outcome: RequestOutcome) => void;

  constructor(
    engine: Engine,
    done: (key: string, outcome: RequestOutcome) => void,
  ) {
    this.#engine = engine;
    this.#done = done;
    engine.script(
      "CREATE TABLE IF NOT EXISTS syncline_page_queue(number INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL," +
        " request TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, outcome TEXT, at INTEGER NOT NULL)",
    );
    engine.query("DELETE FROM syncline_page_queue WHERE outcome IS NOT NULL AND at < ?1", [
      Date.now() - 7 * 86_400_000,
    ]);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  pause(paused: boolean): void {
    this.#paused = paused;
    if (!paused) this.wake(true);
  }

  /** The outcome, when a request with this key is done already. */
  add(key: string, request: string): RequestOutcome | null {
    this.#engine.query(
      "INSERT INTO syncline_page_queue(key, request, at) VALUES(?1, ?2, ?3) ON CONFLICT(key) DO NOTHING",
      [key, request, Date.now()],
    );
    this.wake(true);
    const { values } = this.#engine.query("SELECT outcome FROM syncline_page_queue WHERE key = ?1", [key]);
    const outcome = values[0]?.[0] as string | null;
    return outcome ? (JSON.parse(outcome) as RequestOutcome) : null;
  }

  /** Looks for something to do, at once or after what the last failure asks for. */
  wake(atOnce = true): void {
    if (this.#closed || this.#busy) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#work(), atOnce ? 0 : backoffMs[0]);
  }

  async #work(): Promise<void> {
    if (this.#busy || this.#closed || this.#paused || this.#engine.inTransaction()) {
      if (!this.#busy && !this.#closed && !this.#paused) this.#timer = setTimeout(() => void this.#work(), 50);
      return;
    }
    this.#busy = true;
    let next: number | undefined;
    try {
      next = await this.#first();
    } catch (error) {
      console.error("syncline: the request queue", error);
      next = backoffMs.at(-1);
    }
    this.#busy = false;
    if (next !== undefined && !this.#closed) this.#timer = setTimeout(() => void this.#work(), next);
  }

  /** Tries the oldest; returns when to look again, if at all. */
  async #first(): Promise<number | undefined> {
    const { values } = this.#engine.query(
      "SELECT number, key, request, attempts FROM syncline_page_queue WHERE outcome IS NULL ORDER BY number LIMIT 1",
    );
    const row = values[0];
    if (!row) return undefined;
    const [number, key, request, attempts] = row as [number, string, string, number];
    const outcome = await this.#attempt(key, JSON.parse(request) as Kept);
    if (this.#closed) return undefined;
    if (outcome) {
      await this.#free();
      this.#engine.query("UPDATE syncline_page_queue SET outcome = ?2 WHERE number = ?1", [number, JSON.stringify(outcome)]);
      this.#done(key, outcome);
      return 0;
    }
    await this.#free();
    this.#engine.query("UPDATE syncline_page_queue SET attempts = attempts + 1 WHERE number = ?1", [number]);
    return backoffMs[Math.min(attempts, backoffMs.length - 1)];
  }

  /** Not into an application's transaction, which may be rolled back. */
  async #free(): Promise<void> {
    while (!this.#closed && this.#engine.inTransaction()) await new Promise((done) => setTimeout(done, 20));
  }

  /** Nothing when it is worth another try. */
  async #attempt(key: string, request: Kept): Promise<RequestOutcome | undefined> {
    const headers = { ...request.headers, "Idempotency-Key": key };
    const init: RequestInit = { method: request.method, headers, signal: AbortSignal.timeout(timeoutMs) };
    if (request.body !== null) init.body = request.body;
    let response: Response;
    let body: string;
    try {
      response = await fetch(request.url, init);
      body = (await response.text()).slice(0, bodyCharsMax);
    } catch {
      return undefined;
    }
    const again = response.status >= 500 || [408, 425, 429].includes(response.status);
    return again ? undefined : { ok: response.ok, status: response.status, body };
  }
}
