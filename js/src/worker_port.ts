import type { Port } from "./port.js";
import type { Connection, CoreConfig, News, Reply, Transport } from "./types.js";
import { SynclineError } from "./values.js";
import type { ToPage, ToWorker } from "./worker.js";

interface Waiting {
  resolve(value: unknown): void;
  reject(error: SynclineError): void;
}

/** The core is behind this tab's worker: in it, or in another tab's. */
export class WorkerPort implements Port {
  readonly name = crypto.randomUUID();
  // News that come before anybody listens.
  private early: News[] | null = [];
  private told: (news: News) => void = (news) => this.early?.push(news);
  private next = 1;
  private readonly waiting = new Map<number, Waiting>();
  private readonly sockets = new Map<number, Connection>();
  private closed: (() => void) | null = null;
  private over = false;
  private readonly stops: (() => void)[] = [];

  private constructor(
    private readonly worker: Worker,
    private readonly transport: Transport | undefined,
  ) {}

  static async open(
    config: CoreConfig,
    wasmUrl: string,
    workerUrl: string | URL,
    transport?: Transport,
  ): Promise<{ port: WorkerPort; storage: "opfs" | "memory" }> {
    const worker = new Worker(workerUrl, { type: "module", name: `syncline:${config.name}` });
    const port = new WorkerPort(worker, transport);
    const storage = await new Promise<"opfs" | "memory">((resolve, reject) => {
      worker.onerror = (event) => {
        reject(new SynclineError("internal", `the worker does not start: ${event.message || String(workerUrl)}`));
      };
      worker.onmessage = ({ data }: MessageEvent<ToPage>) => {
        if (data.type === "opened") resolve(data.storage);
        else if (data.type === "failed") {
          worker.terminate();
          reject(new SynclineError(data.error.code, data.error.message, data.error.retryable));
        } else port.hear(data);
      };
      port.post({ type: "open", tab: port.name, config, wasmUrl });
    });
    worker.onmessage = ({ data }: MessageEvent<ToPage>) => port.hear(data);
    port.watchTheTab();
    return { port, storage };
  }

  set onNews(told: (news: News) => void) {
    this.told = told;
    const early = this.early ?? [];
    this.early = null;
    for (const news of early) told(news);
  }

  private post(message: ToWorker): void {
    this.worker.postMessage(message);
  }

  private watchTheTab(): void {
    const hear = (target: EventTarget, name: string, told: () => void): void => {
      target.addEventListener(name, told);
      this.stops.push(() => target.removeEventListener(name, told));
    };
    hear(document, "freeze", () => this.post({ type: "freeze" }));
    hear(document, "resume", () => this.post({ type: "thaw" }));
    hear(window, "pageshow", () => this.post({ type: "thaw" }));
  }

  request(op: string, args: unknown[] = []): Promise<unknown> {
    if (this.over) return Promise.reject(new SynclineError("cancelled", "the database was closed"));
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.post({ type: "request", request: { id, op, args } });
    });
  }

  private hear(message: ToPage): void {
    switch (message.type) {
      case "reply":
        return this.settle(message.reply);
      case "news":
        return this.told(message.news);
      case "socket":
        return this.carry(message);
      case "closed":
        return this.closed?.();
    }
  }

  private settle(reply: Reply): void {
    const waiting = this.waiting.get(reply.id);
    this.waiting.delete(reply.id);
    if (reply.ok) waiting?.resolve(reply.value);
    else waiting?.reject(new SynclineError(reply.error.code, reply.error.message, reply.error.retryable));
  }

  /** The application's own transport. */
  private carry({ number, what, url, frame }: Extract<ToPage, { type: "socket" }>): void {
    if (what === "dial") {
      const connection = this.transport!.dial(url!, {
        open: () => this.post({ type: "socket", number, what: "open" }),
        frame: (heard) => this.post({ type: "socket", number, what: "frame", frame: heard }),
        closed: (reason) => {
          this.sockets.delete(number);
          this.post({ type: "socket", number, what: "closed", reason });
        },
      });
      this.sockets.set(number, connection);
    } else if (what === "send") {
      this.sockets.get(number)?.send(frame!);
    } else {
      this.sockets.get(number)?.close();
      this.sockets.delete(number);
    }
  }

  async close(): Promise<void> {
    if (this.over) return;
    this.over = true;
    for (const stop of this.stops) stop();
    await new Promise<void>((done) => {
      this.closed = done;
      this.post({ type: "close" });
    });
    this.worker.terminate();
    const error = new SynclineError("cancelled", "the database was closed");
    for (const { reject } of this.waiting.values()) reject(error);
    for (const socket of this.sockets.values()) socket.close();
  }
}
