// Values that change: to be read now, subscribed to (the contract that Svelte's stores have), or
// iterated over.

export interface Readable<T> extends AsyncIterable<T> {
  readonly value: T;
  /** Calls `told` at once with the present value and then for each new one; returns how to stop. */
  subscribe(told: (value: T) => void): () => void;
}

export class Store<T> implements Readable<T> {
  readonly #listeners = new Set<(value: T) => void>();

  #current: T;
  readonly #onFirst?: () => void;
  readonly #onLast?: () => void;

  constructor(
    current: T,
    onFirst?: () => void,
    onLast?: () => void,
  ) {
    this.#current = current;
    this.#onFirst = onFirst;
    this.#onLast = onLast;
  }

  get value(): T {
    return this.#current;
  }

  set(value: T): void {
    this.#current = value;
    for (const told of [...this.#listeners]) told(value);
  }

  /** Whether subscribers are called with the value at once. */
  protected get isReady(): boolean {
    return true;
  }

  subscribe(told: (value: T) => void): () => void {
    // Before the first subscriber sets things going, which may tell at once.
    const hadValue = this.isReady;
    this.#listeners.add(told);
    if (this.#listeners.size === 1) this.#onFirst?.();
    if (hadValue) told(this.#current);
    return () => {
      if (this.#listeners.delete(told) && this.#listeners.size === 0) this.#onLast?.();
    };
  }

  /** The newest value each time; what came and went in between is not waited for. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    let fresh = false;
    let wake: (() => void) | undefined;
    const stop = this.subscribe(() => {
      fresh = true;
      wake?.();
    });
    try {
      for (;;) {
        if (!fresh) await new Promise<void>((done) => (wake = done));
        wake = undefined;
        fresh = false;
        yield this.#current;
      }
    } finally {
      stop();
    }
  }
}
