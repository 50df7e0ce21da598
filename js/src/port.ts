import { Core, type Client } from "./core.js";
import type { News } from "./types.js";

/** A client's way to the core, wherever it is. */
export interface Port {
  readonly name: string;
  request(op: string, args?: unknown[]): Promise<unknown>;
  /** Told of news; set once, before the first request. */
  onNews: (news: News) => void;
  close(): Promise<void>;
}

/** The core is here, in this thread. */
export class LocalPort implements Port {
  readonly name = "local";
  onNews: (news: News) => void = () => {};
  #next = 1;
  readonly #client: Client = {
    name: this.name,
    once: false,
    tell: (news) => this.onNews(news),
  };

  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  join(): void {
    this.#core.join(this.#client);
  }

  request(op: string, args: unknown[] = []): Promise<unknown> {
    const id = this.#next++;
    return this.#core.handle({ client: this.#client, id, answered: id }, op, args);
  }

  async close(): Promise<void> {
    this.#core.close();
  }
}
