import type { Port } from "./port.js";
import type { Connection, CoreConfig, News, Reply, Request, Transport } from "./types.js";
import { SynclineError } from "./values.js";
import type { ToPage, ToWorker } from "./worker.js";

interface Waiting {
  request: Request;
  /** Whether whoever does it remembers that it was done. */
  remembered: boolean;
  resolve(value: unknown): void;
  reject(error: SynclineError): void;
}

/**
 * The core is behind this tab's worker: in it, or in another tab's.
 *
 * A frozen worker would keep the database, or its place in the queue for it, and not hear that it
 * should let go. So it is ended just before, which gives both back, and a thawed page starts another
 * under the same name, which asks again for what has no answer yet.
 */
export class WorkerPort implements Port {
  readonly name = crypto.randomUUID();
  // News that come before anybody listens.
  #early: News[] | null = [];
  #told: (news: News) => void = (news) => this.#early?.push(news);
  #next = 1;
  readonly #waiting = new Map<number, Waiting>();
  readonly #sockets = new Map<number, Connection>();
  #worker!: Worker;
  #storage: "opfs" | "memory" = "memory";
  #frozen = false;
  #leads = false;
  #closed: (() => void) | null = null;
  #over = false;
  readonly #stops: (() => void)[] = [];

  readonly #config: CoreConfig;
  readonly #wasmUrl: string;
  readonly #workerUrl: string | URL;
  readonly #transport: Transport | undefined;

  private constructor(
    config: CoreConfig,
    wasmUrl: string,
    workerUrl: string | URL,
    transport: Transport | undefined,
  ) {
    this.#config = config;
    this.#wasmUrl = wasmUrl;
    this.#workerUrl = workerUrl;
    this.#transport = transport;
  }

  static async open(
    config: CoreConfig,
    wasmUrl: string,
    workerUrl: string | URL,
    transport?: Transport,
  ): Promise<{ port: WorkerPort; storage: "opfs" | "memory" }> {
    const port = new WorkerPort(config, wasmUrl, workerUrl, transport);
    await port.#start();
    port.#watchTheTab();
    return { port, storage: port.#storage };
  }

  async #start(): Promise<void> {
    const worker = new Worker(this.#workerUrl, { type: "module", name: `syncline:${this.#config.name}` });
    this.#worker = worker;
    const opened = new Promise<"opfs" | "memory">((resolve, reject) => {
      worker.onerror = (event) => {
        reject(new SynclineError("internal", `the worker does not start: ${event.message || String(this.#workerUrl)}`));
      };
      worker.onmessage = ({ data }: MessageEvent<ToPage>) => {
        if (data.type === "opened") resolve(data.storage);
        else if (data.type === "failed") {
          worker.terminate();
          reject(new SynclineError(data.error.code, data.error.message, data.error.retryable));
        } else this.#hear(data);
      };
    });
    this.#post({ type: "open", tab: this.name, config: this.#config, wasmUrl: this.#wasmUrl, hidden: document.hidden });
    this.#storage = await opened;
  }

  set onNews(told: (news: News) => void) {
    this.#told = told;
    const early = this.#early ?? [];
    this.#early = null;
    for (const news of early) told(news);
  }

  #post(message: ToWorker): void {
    if (!this.#frozen) this.#worker.postMessage(message);
  }

  #watchTheTab(): void {
    const hear = (target: EventTarget, name: string, told: () => void): void => {
      target.addEventListener(name, told);
      this.#stops.push(() => target.removeEventListener(name, told));
    };
    const tell = (): void => this.#post({ type: "hidden", hidden: document.hidden });
    hear(document, "visibilitychange", tell);
    tell();
    hear(document, "freeze", () => this.#freeze());
    hear(document, "resume", () => this.#thaw());
    hear(window, "pageshow", () => this.#thaw());
  }

  #freeze(): void {
    // What is in memory would be gone; and nobody else waits for it.
    if (this.#storage === "memory" || this.#frozen) return;
    this.#frozen = true;
    this.#worker.terminate();
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
    for (const waiting of this.#waiting.values()) waiting.remembered ||= !this.#leads;
  }

  #thaw(): void {
    if (!this.#frozen || this.#over) return;
    this.#frozen = false;
    const fail = (error: SynclineError): void => {
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
    this.#start().catch(fail);
    for (const { request, remembered } of [...this.#waiting.values()]) {
      if (remembered) this.#post({ type: "request", request, again: true });
      else {
        const message = "the browser froze this tab before the answer came: look whether it was done";
        this.#settle({ id: request.id, ok: false, error: { code: "cancelled", message, retryable: false } });
      }
    }
  }

  request(op: string, args: unknown[] = []): Promise<unknown> {
    if (this.#over) return Promise.reject(new SynclineError("cancelled", "the database was closed"));
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      const request = { id, op, args };
      this.#waiting.set(id, { request, remembered: this.#frozen || document.hidden, resolve, reject });
      this.#post({ type: "request", request, again: false });
    });
  }

  #hear(message: ToPage): void {
    switch (message.type) {
      case "reply":
        return this.#settle(message.reply);
      case "news":
        if (message.news.news === "leader") this.#leads = message.news.isOwn;
        if (message.news.news === "status") this.#config.paused = message.news.status.paused;
        return this.#told(message.news);
      case "socket":
        return this.#carry(message);
      case "closed":
        return this.#closed?.();
    }
  }

  #settle(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.ok) waiting?.resolve(reply.value);
    else waiting?.reject(new SynclineError(reply.error.code, reply.error.message, reply.error.retryable));
  }

  /** The application's own transport. */
  #carry({ number, what, url, frame }: Extract<ToPage, { type: "socket" }>): void {
    if (what === "dial") {
      const connection = this.#transport!.dial(url!, {
        open: () => this.#post({ type: "socket", number, what: "open" }),
        frame: (heard) => this.#post({ type: "socket", number, what: "frame", frame: heard }),
        closed: (reason) => {
          this.#sockets.delete(number);
          this.#post({ type: "socket", number, what: "closed", reason });
        },
      });
      this.#sockets.set(number, connection);
    } else if (what === "send") {
      this.#sockets.get(number)?.send(frame!);
    } else {
      this.#sockets.get(number)?.close();
      this.#sockets.delete(number);
    }
  }

  async close(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    for (const stop of this.#stops) stop();
    if (!this.#frozen) {
      await new Promise<void>((done) => {
        this.#closed = done;
        this.#post({ type: "close" });
      });
      this.#worker.terminate();
    }
    const error = new SynclineError("cancelled", "the database was closed");
    for (const { reject } of this.#waiting.values()) reject(error);
    for (const socket of this.#sockets.values()) socket.close();
  }
}
