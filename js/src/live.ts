import { Store } from "./store.js";
import type { Port } from "./port.js";
import { objects, SynclineError, type Row, type SqlInput, type SqlValue } from "./values.js";

/**
 * A SELECT whose rows follow the database. A store and an async iterable: it runs while somebody
 * subscribes, and says nothing before its first result.
 */
export class LiveQuery<T = Row> extends Store<T[]> {
  #ready = false;
  /** The first result; rejects when the query makes no sense. */
  error: SynclineError | null = null;
  readonly #failed = new Set<(error: SynclineError) => void>();

  readonly #port: Port;
  readonly #onUse: (query: LiveQuery<T>, inUse: boolean) => void;
  readonly #shape: (row: Row) => T;

  constructor(
    port: Port,
    readonly id: string,
    readonly sql: string,
    readonly values: readonly SqlInput[],
    onUse: (query: LiveQuery<T>, inUse: boolean) => void,
    shape: (row: Row) => T = (row) => row as T,
  ) {
    super(
      [],
      () => this.#begin(),
      () => this.#end(),
    );
    this.#port = port;
    this.#onUse = onUse;
    this.#shape = shape;
  }

  protected override get isReady(): boolean {
    return this.#ready;
  }

  #begin(): void {
    this.#onUse(this, true);
    this.resume();
  }

  /** Also after the database moved to another tab. */
  resume(): void {
    this.#port.request("subscribe", [this.id, this.sql, this.values]).catch((error: SynclineError) => this.fail(error));
  }

  #end(): void {
    this.#ready = false;
    this.#onUse(this, false);
    this.#port.request("unsubscribe", [`${this.#port.name}/${this.id}`]).catch(() => {});
  }

  take(rows: { columns: string[]; values: unknown[][] }): void {
    this.#ready = true;
    this.error = null;
    this.set(objects(rows as { columns: string[]; values: SqlValue[][] }).map(this.#shape));
  }

  fail(error: SynclineError): void {
    this.error = error;
    for (const told of this.#failed) told(error);
    // Rows that stand still without a word would be taken for the truth.
    if (this.#failed.size === 0) console.error(`syncline: a live query failed: ${error.message} (${this.sql})`);
  }

  /** The rows each time; throws when the query cannot be run. */
  override async *[Symbol.asyncIterator](): AsyncGenerator<T[], void, void> {
    let failure: SynclineError | null = null;
    let fresh = false;
    let wake: (() => void) | undefined;
    const stopError = this.onError((error) => {
      failure = error;
      wake?.();
    });
    const stop = this.subscribe(() => {
      fresh = true;
      failure = null;
      wake?.();
    });
    try {
      for (;;) {
        while (!fresh && !failure) await new Promise<void>((done) => (wake = done));
        wake = undefined;
        if (failure) throw failure;
        fresh = false;
        yield this.value;
      }
    } finally {
      stop();
      stopError();
    }
  }

  /** Told when the query cannot be run. */
  onError(told: (error: SynclineError) => void): () => void {
    this.#failed.add(told);
    return () => this.#failed.delete(told);
  }

  /** The first result, once. */
  async first(): Promise<T[]> {
    let stop: (() => void) | undefined;
    let stopError: (() => void) | undefined;
    try {
      return await new Promise<T[]>((resolve, reject) => {
        stopError = this.onError(reject);
        stop = this.subscribe(resolve);
      });
    } finally {
      stop?.();
      stopError?.();
    }
  }
}
