// When a page should look at the server again without being asked. The engine itself syncs after each
// write and keeps its connection alive; this is for what only a page notices: focus, visibility, a
// network that came back, and the passing of time.
import { healthUrl } from "./transport.js";
import type { Database } from "./database.js";

export interface AutoSyncOptions {
  everyMs?: number;
  /** The least time between two that nobody asked for. */
  leastMs?: number;
  /** How long to wait for the server's answer to "are you there?". */
  probeMs?: number;
}

/** Asks the server itself: `navigator.onLine` says only that there is some network. */
export async function canReach(url: string, timeoutMs = 3000): Promise<boolean> {
  try {
    // Opaque answers will do: that there is one is all that is asked.
    await fetch(healthUrl(url), { mode: "no-cors", cache: "no-store", signal: AbortSignal.timeout(timeoutMs) });
    return true;
  } catch {
    return false;
  }
}

// The browser ends a service worker that takes much longer.
const backgroundMs = 20_000;

interface SyncManager {
  register(tag: string): Promise<void>;
}

export class AutoSync {
  readonly #everyMs: number;
  readonly #leastMs: number;
  readonly #probeMs: number;
  #last = -Infinity;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #stops: (() => void)[] = [];

  readonly #db: Database;
  readonly #url: string;

  constructor(
    db: Database,
    url: string,
    options: AutoSyncOptions,
  ) {
    this.#db = db;
    this.#url = url;
    this.#everyMs = options.everyMs ?? 30_000;
    this.#leastMs = options.leastMs ?? 5000;
    this.#probeMs = options.probeMs ?? 3000;
    this.#timer = setInterval(() => this.#maybe(), this.#everyMs);
    (this.#timer as { unref?: () => void }).unref?.();
    if (typeof window === "undefined") return;
    this.#hear(window, "focus", () => this.#maybe());
    this.#hear(window, "online", () => this.#maybe());
    this.#hear(document, "visibilitychange", () => document.visibilityState === "visible" && this.#maybe());
    if (navigator.serviceWorker) {
      this.#hear(navigator.serviceWorker, "message", (event) => {
        const { data, ports } = event as MessageEvent;
        if (data === "syncline-sync") void this.#syncNow().then((done) => ports[0]?.postMessage(done));
      });
    }
    this.#stops.push(db.status.subscribe(({ pending, status }) => {
      if (pending > 0 && status === "disconnected") void this.#askForBackgroundSync();
      if (status === "synced") this.#asked = false;
    }));
  }

  #hear(target: EventTarget, name: string, told: (event: Event) => void): void {
    target.addEventListener(name, told);
    this.#stops.push(() => target.removeEventListener(name, told));
  }

  #asked = false;
  /** Where the browser has it, it wakes the page's service worker once there is a network. */
  async #askForBackgroundSync(): Promise<void> {
    if (this.#asked || !navigator.serviceWorker?.controller) return;
    this.#asked = true;
    try {
      const registration = await navigator.serviceWorker.ready;
      await (registration as unknown as { sync?: SyncManager }).sync?.register("syncline-sync");
    } catch {
      // Refused, or not to be had: the timer remains.
    }
  }

  /** The browser woke the service worker. Resolves to whether all is sent. */
  async #syncNow(): Promise<boolean> {
    if (this.#db.status.value.paused) return false;
    try {
      await this.#db.sync();
      await this.#db.synced(backgroundMs);
      return true;
    } catch {
      return false;
    }
  }

  async #maybe(): Promise<void> {
    const { status, paused } = this.#db.status.value;
    if (paused || performance.now() - this.#last < this.#leastMs) return;
    this.#last = performance.now();
    if (status === "synced" || status === "syncing" || status === "incompatible") return;
    if (await canReach(this.#url, this.#probeMs)) await this.#db.sync().catch(() => {});
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const stop of this.#stops) stop();
  }
}
