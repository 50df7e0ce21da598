// What runs in each tab's own worker. One tab of a database leads: it holds the Web Lock of that name,
// has the files open and does everybody's requests; the others send theirs over a BroadcastChannel.
//
// 1. The lock is released by the browser when its tab is closed or crashes, and when the page ends this
//    worker because it is being frozen (worker_port.ts); the next in the queue leads then.
// 2. A new leader says so. Everybody sends again what was not answered, and the core sees to it that
//    nothing is done twice.
// 3. Each tab holds a lock of its own for as long as it lives: that is how a leader learns that one
//    is gone, with its transaction and its live queries.
import { Core, type Client } from "./core.js";
import { MemoryStorage, type Storage } from "./storage.js";
import { hasOpfs, OpfsStorage } from "./storage_opfs.js";
import { WebSocketTransport } from "./transport.js";
import type { Connection, CoreConfig, News, Reply, Request, Transport, TransportEvents } from "./types.js";
import { SynclineError } from "./values.js";

export interface OpenMessage {
  type: "open";
  tab: string;
  config: CoreConfig;
  wasmUrl: string;
  hidden: boolean;
}
export type ToWorker =
  | OpenMessage
  /** `again` when a worker before this one may have done it. */
  | { type: "request"; request: Request; again: boolean }
  | { type: "hidden"; hidden: boolean }
  | { type: "close" }
  | { type: "socket"; number: number; what: "open" | "frame" | "closed"; frame?: Uint8Array; reason?: string };
export type ToPage =
  | { type: "opened"; storage: "opfs" | "memory" }
  | { type: "failed"; error: { code: string; message: string; retryable: boolean } }
  | { type: "reply"; reply: Reply }
  | { type: "news"; news: News }
  | { type: "closed" }
  | { type: "socket"; number: number; what: "dial" | "send" | "close"; url?: string; frame?: Uint8Array };

type ChannelMessage =
  | { kind: "who" }
  | { kind: "leader"; leader: string }
  | { kind: "request"; to: string; from: string; request: Request; answered: number }
  | { kind: "reply"; to: string; from: string; reply: Reply }
  | { kind: "news"; to: string; from: string; news: News };

interface Scope {
  postMessage(message: ToPage, transfer?: Transferable[]): void;
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  close(): void;
}
const scope = self as unknown as Scope;

function plain(error: unknown): { code: string; message: string; retryable: boolean } {
  const { code = "internal", message = String(error), retryable = false } = error as SynclineError;
  return { code, message, retryable };
}

/** An application's own transport lives in its page. */
class PageTransport implements Transport {
  readonly #dialed = new Map<number, TransportEvents>();
  #next = 1;

  dial(url: string, events: TransportEvents): Connection {
    const number = this.#next++;
    this.#dialed.set(number, events);
    scope.postMessage({ type: "socket", number, what: "dial", url });
    return {
      send: (frame) => scope.postMessage({ type: "socket", number, what: "send", frame }),
      close: () => {
        this.#dialed.delete(number);
        scope.postMessage({ type: "socket", number, what: "close" });
      },
    };
  }

  heard(message: Extract<ToWorker, { type: "socket" }>): void {
    const events = this.#dialed.get(message.number);
    if (message.what === "open") events?.open();
    else if (message.what === "frame") events?.frame(message.frame!);
    else {
      this.#dialed.delete(message.number);
      events?.closed(message.reason ?? "");
    }
  }
}

class Tab {
  readonly #config: CoreConfig;
  readonly #name: string;
  readonly #module: Promise<WebAssembly.Module>;
  readonly #channel: BroadcastChannel | null;
  readonly #pageTransport = new PageTransport();
  #core: Core | null = null;
  #leader: string | null = null;
  readonly #pending = new Map<number, { request: Request; wasSent: boolean }>();
  readonly #known = new Map<string, Client>();
  #stepDown: (() => void) | null = null;
  #isOpen = false;
  #closed = false;
  #hidden: boolean;

  constructor({ tab, config, wasmUrl, hidden }: OpenMessage) {
    this.#name = tab;
    this.#hidden = hidden;
    this.#config = config;
    // Also while another tab leads: a successor should not have to wait for it.
    this.#module = WebAssembly.compileStreaming(fetch(wasmUrl));
    this.#module.catch(() => {});
    const shared = config.storage !== "memory" && hasOpfs();
    this.#channel = shared ? new BroadcastChannel(`syncline:${config.name}`) : null;
    if (!this.#channel) {
      void this.#lead().catch((error) => this.#fail(error));
      return;
    }
    this.#channel.onmessage = ({ data }) => this.#hear(data as ChannelMessage);
    // Invariant 3.
    void navigator.locks.request(this.#tabLock(tab), () => new Promise(() => {}));
    this.#say({ kind: "who" });
    void this.#queueUp();
  }

  #tabLock(tab: string): string {
    return `syncline-tab:${tab}`;
  }

  #say(message: ChannelMessage): void {
    this.#channel?.postMessage(message);
  }

  // --- Leading ------------------------------------------------------------------------------------

  async #queueUp(): Promise<void> {
    await navigator.locks.request(`syncline:${this.#config.name}`, async () => {
      if (this.#closed) return;
      const released = new Promise<void>((done) => (this.#stepDown = done));
      try {
        await this.#lead();
      } catch (error) {
        this.#fail(error);
        return;
      }
      await released;
      this.#abdicate();
    });
  }

  async #storage(): Promise<Storage> {
    if (!this.#channel) return new MemoryStorage();
    try {
      return await OpfsStorage.open(this.#config.name);
    } catch (error) {
      // Private windows of some browsers have the interface and refuse its use.
      if (["SecurityError", "NotAllowedError", "UnknownError"].includes((error as Error).name)) {
        return new MemoryStorage();
      }
      throw error;
    }
  }

  async #lead(): Promise<void> {
    const [module, storage] = await Promise.all([this.#module, this.#storage()]);
    try {
      const transport = this.#config.ownTransport ? this.#pageTransport : new WebSocketTransport();
      this.#core = await Core.open(this.#config, module, storage, transport, "db");
    } catch (error) {
      storage.dispose();
      throw error;
    }
    this.#leader = this.#name;
    this.#core.join(this.#client(false));
    this.#opened(storage.kind === "opfs" ? "opfs" : "memory");
    this.#tellPage({ news: "leader", leader: this.#name, isOwn: true });
    // Invariant 2: also ours, which a channel does not bring to ourselves.
    this.#say({ kind: "leader", leader: this.#name });
    for (const { request, wasSent } of [...this.#pending.values()]) void this.#perform(request, wasSent);
  }

  #abdicate(): void {
    this.#core?.close();
    this.#core = null;
    this.#leader = null;
    this.#stepDown = null;
    this.#known.clear();
    // What was being done here is done by whoever leads next.
    for (const entry of this.#pending.values()) entry.wasSent = true;
  }

  #client(again: boolean): Client {
    const isHidden = (): boolean => this.#hidden;
    return {
      name: this.#name,
      // A page that nobody looks at may be frozen at any time, before it hears the answer.
      get once() {
        return again || isHidden();
      },
      tell: (news) => this.#tellPage(news),
    };
  }

  hide(hidden: boolean): void {
    this.#hidden = hidden;
  }

  // --- The page -----------------------------------------------------------------------------------

  #tellPage(news: News): void {
    // Should this tab lead one day, it stays as quiet as people asked for.
    if (news.news === "status") this.#config.paused = news.status.paused;
    if (!this.#closed) scope.postMessage({ type: "news", news });
  }

  #opened(storage: "opfs" | "memory"): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    scope.postMessage({ type: "opened", storage });
  }

  #fail(error: unknown): void {
    const told = plain(error);
    if (!this.#isOpen) scope.postMessage({ type: "failed", error: told });
    for (const id of this.#pending.keys()) scope.postMessage({ type: "reply", reply: { id, ok: false, error: told } });
    this.#pending.clear();
  }

  #answer(reply: Reply): void {
    if (!this.#pending.delete(reply.id)) return;
    const transfer = reply.ok && reply.value instanceof Uint8Array ? [reply.value.buffer as ArrayBuffer] : [];
    scope.postMessage({ type: "reply", reply }, transfer);
  }

  ask(request: Request, again: boolean): void {
    const entry = { request, wasSent: again };
    this.#pending.set(request.id, entry);
    if (this.#core) void this.#perform(request, again);
    else if (this.#leader) this.#send(entry);
  }

  #send(entry: { request: Request; wasSent: boolean }): void {
    entry.wasSent = true;
    this.#say({ kind: "request", to: this.#leader!, from: this.#name, request: entry.request, answered: this.#answered() });
  }

  /** Every request below it has its answer. */
  #answered(): number {
    return this.#pending.size === 0 ? Number.MAX_SAFE_INTEGER : Math.min(...this.#pending.keys());
  }

  async #perform(request: Request, again: boolean): Promise<void> {
    const core = this.#core!;
    const reply = await this.#do(core, this.#client(again), request, this.#answered());
    if (this.#core === core) this.#answer(reply);
  }

  async #do(core: Core, client: Client, { id, op, args }: Request, answered: number): Promise<Reply> {
    try {
      return { id, ok: true, value: await core.handle({ client, id, answered }, op, args) };
    } catch (error) {
      return { id, ok: false, error: plain(error) };
    }
  }

  // --- Other tabs ---------------------------------------------------------------------------------

  #hear(message: ChannelMessage): void {
    if (this.#closed) return;
    switch (message.kind) {
      case "who":
        if (this.#core) this.#say({ kind: "leader", leader: this.#name });
        return;
      case "leader":
        return this.#follow(message.leader);
      case "request":
        if (message.to === this.#name && this.#core) void this.#serve(this.#core, message);
        return;
      case "reply":
        if (message.to === this.#name && message.from === this.#leader) this.#answer(message.reply);
        return;
      case "news":
        if (message.to === this.#name && message.from === this.#leader) this.#tellPage(message.news);
        return;
    }
  }

  #follow(leader: string): void {
    if (this.#core || this.#leader === leader) return;
    this.#leader = leader;
    this.#opened("opfs");
    // Makes the leader know us, before the page subscribes again.
    this.#say({ kind: "request", to: leader, from: this.#name, request: { id: 0, op: "status", args: [] }, answered: 0 });
    this.#tellPage({ news: "leader", leader, isOwn: false });
    for (const entry of this.#pending.values()) this.#send(entry);
  }

  async #serve(core: Core, message: Extract<ChannelMessage, { kind: "request" }>): Promise<void> {
    const { from, request, answered } = message;
    let client = this.#known.get(from);
    if (!client) {
      client = { name: from, once: true, tell: (news) => this.#say({ kind: "news", to: from, from: this.#name, news }) };
      this.#known.set(from, client);
      core.join(client);
      // Invariant 3: granted once that tab is gone.
      void navigator.locks.request(this.#tabLock(from), () => {
        this.#known.delete(from);
        if (this.#core === core) core.leave(from);
      });
    }
    const reply = await this.#do(core, client, request, answered);
    if (this.#core === core) this.#say({ kind: "reply", to: from, from: this.#name, reply });
  }

  // --- The tab's life -----------------------------------------------------------------------------

  close(): void {
    this.#closed = true;
    this.#stepDown?.();
    this.#core?.close();
    this.#core = null;
    scope.postMessage({ type: "closed" });
    scope.close();
  }

  socket(message: Extract<ToWorker, { type: "socket" }>): void {
    this.#pageTransport.heard(message);
  }
}

let tab: Tab | null = null;
scope.onmessage = ({ data }) => {
  switch (data.type) {
    case "open":
      tab = new Tab(data);
      return;
    case "request":
      return tab?.ask(data.request, data.again);
    case "socket":
      return tab?.socket(data);
    case "hidden":
      return tab?.hide(data.hidden);
    case "close":
      return tab?.close();
  }
};
