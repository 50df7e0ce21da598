import type { Database, Progress } from "syncline";
import { define, make, SynclineElement } from "./base.js";

const css = `
:host { display: block; }
.line { display: flex; justify-content: space-between; gap: 1em; font-size: .8125em; font-variant-numeric: tabular-nums; }
.track { height: 6px; border-radius: 3px; overflow: hidden; background: var(--syncline-line, #8883); margin-bottom: .4em; }
.bar { height: 100%; background: var(--syncline-accent, #3b6ef5); transition: width .2s linear; }
`;

function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  if (count < 1024 * 1024) return `${(count / 1024).toFixed(0)} KB`;
  return `${(count / 1024 / 1024).toFixed(1)} MB`;
}

function time(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  return seconds < 60 ? `${seconds} s left` : `${Math.ceil(seconds / 60)} min left`;
}

/** While rows come in bulk: records, bytes and time left. Takes no room otherwise. */
export class ProgressElement extends SynclineElement {
  constructor() {
    super(css);
  }

  protected follow(db: Database): (() => void)[] {
    return [db.progress.subscribe((progress) => this.#draw(progress))];
  }

  #draw(progress: Progress | null): void {
    this.hidden = progress === null;
    if (!progress) return this.show();
    const { rows, rowsTotal, bytes: done, bytesTotal, leftMs } = progress;
    const percent = rowsTotal === 0 ? 0 : Math.min(100, Math.round((rows / rowsTotal) * 100));
    const text = `${rows.toLocaleString()} of ${rowsTotal.toLocaleString()} records`;
    this.show(
      make(
        "div",
        {
          class: "track",
          role: "progressbar",
          "aria-label": "Loading records",
          "aria-valuemin": "0",
          "aria-valuemax": String(rowsTotal),
          "aria-valuenow": String(rows),
          "aria-valuetext": text,
        },
        make("div", { class: "bar", part: "bar", style: `width:${percent}%` }),
      ),
      make(
        "div",
        { class: "line" },
        make("span", { class: "records" }, text),
        make("span", { class: "quiet" }, `${bytes(done)} of ${bytes(bytesTotal)}${leftMs > 0 ? ` · ${time(leftMs)}` : ""}`),
      ),
    );
  }
}
define("syncline-progress", ProgressElement);
