import type { Database, Status, StatusWord } from "syncline";
import { define, make, SynclineElement } from "./base.js";

const words: Record<StatusWord, string> = {
  disconnected: "Offline",
  connecting: "Connecting",
  syncing: "Syncing",
  synced: "Synced",
  stuck: "Stuck",
  incompatible: "Incompatible",
};

const css = `
:host { display: inline-block; }
.badge { display: inline-flex; align-items: center; gap: .5em; padding: .3em .75em; border-radius: 999px; white-space: nowrap;
  border: 1px solid var(--syncline-line, #8886); background: var(--syncline-surface, transparent); font-size: .875em; }
.dot { width: .65em; height: .65em; border-radius: 50%; background: var(--color); flex: none; }
[data-state=synced] { --color: var(--syncline-synced, #16a34a); }
[data-state=synced][data-attention=true] { --color: var(--syncline-conflict, #b45309); }
[data-state=syncing], [data-state=connecting] { --color: var(--syncline-syncing, #2563eb); }
[data-state=disconnected] { --color: var(--syncline-offline, #9ca3af); }
[data-state=stuck], [data-state=incompatible] { --color: var(--syncline-stuck, #dc2626); }
[data-state=syncing] .dot, [data-state=connecting] .dot { animation: pulse 1s ease-in-out infinite alternate; }
.count { font-variant-numeric: tabular-nums; }
.conflicts { color: var(--syncline-conflict, #b45309); }
@keyframes pulse { to { opacity: .35; } }
@media (prefers-reduced-motion: reduce) { .dot { animation: none !important; } }
`;

function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}

/** One word, and what waits. */
export class StatusElement extends SynclineElement {
  constructor() {
    super(css);
  }

  protected follow(db: Database): (() => void)[] {
    return [db.status.subscribe((status) => this.#draw(status))];
  }

  #draw({ status, pending, conflicts, rejected, held, paused, message }: Status): void {
    const word = words[status];
    // In step with the server, and yet not as somebody meant it.
    const attention = conflicts + rejected + held > 0;
    const badge = make(
      "span",
      { class: "badge", part: "badge", "data-state": status, "data-attention": String(attention), role: "status", "aria-live": "polite", title: paused ? "Syncing is paused" : message || word },
      make("span", { class: "dot", "aria-hidden": "true" }),
      make("span", { class: "word", part: "word" }, word),
      pending > 0 && make("span", { class: "count pending quiet", part: "pending" }, `${plural(pending, "change")} waiting`),
      conflicts > 0 && make("span", { class: "count conflicts", part: "conflicts" }, plural(conflicts, "conflict")),
      held > 0 && make("span", { class: "count conflicts", part: "held" }, `${plural(held, "row")} held`),
      rejected > 0 && make("span", { class: "count conflicts", part: "rejected" }, `${plural(rejected, "change")} refused`),
    );
    this.setAttribute("state", status);
    this.toggleAttribute("attention", attention);
    this.show(badge);
  }
}
define("syncline-status", StatusElement);
