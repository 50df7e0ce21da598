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
  private next = 1;
  private readonly client: Client = {
    name: this.name,
    once: false,
    tell: (news) => this.onNews(news),
  };

  constructor(private readonly core: Core) {}

  join(): void {
    this.core.join(this.client);
  }

  request(op: string, args: unknown[] = []): Promise<unknown> {
    const id = this.next++;
    return this.core.handle({ client: this.client, id, answered: id }, op, args);
  }

  async close(): Promise<void> {
    this.core.close();
  }
}
