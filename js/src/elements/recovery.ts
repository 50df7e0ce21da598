import type { Database, Rejected, Status } from "syncline";
import { define, download, make, SynclineElement } from "./base.js";

const css = `
:host { display: block; }
.box { border: 1px solid var(--syncline-stuck, #dc2626); border-radius: var(--syncline-radius, 10px); padding: 1em;
  background: var(--syncline-surface, transparent); }
.box.calm { border-color: var(--syncline-line, #8886); }
h3 { margin: 0 0 .3em; font-size: 1em; }
p { margin: .2em 0; }
p::first-letter { text-transform: uppercase; }
ul { margin: .6em 0 0; padding: 0; list-style: none; }
li { display: flex; flex-wrap: wrap; align-items: center; gap: .5em; padding: .4em 0; border-top: 1px solid var(--syncline-line, #8883); }
li span { flex: 1; min-width: 10em; }
.buttons { display: flex; flex-wrap: wrap; gap: .5em; margin-top: .7em; }
`;

const titles: Record<string, string> = {
  schema_incompatible: "This app and the server no longer fit together",
  protocol_too_old: "This app is too old for the server",
  protocol_too_new: "The server is too old for this app",
  not_allowed: "You are signed out",
  storage: "This device's storage fails",
  malformed: "The server's answer makes no sense",
  digest_mismatch: "This device and the server disagree",
  clock_skew: "This device's clock is wrong",
  too_large: "What this device has to say is too large",
  server_storage: "The server cannot store anything now",
};

/** Shown when syncing cannot go on by itself, or changes were refused: why, and the ways out. */
export class RecoveryElement extends SynclineElement {
  #status: Status | null = null;
  #rejected: Rejected[] = [];
  #salvaged: { reason: string; file: Uint8Array } | null = null;
  #drawn = "";

  constructor() {
    super(css);
  }

  protected follow(db: Database): (() => void)[] {
    this.#drawn = "";
    this.hidden = true;
    return [
      db.status.subscribe((status) => {
        this.#status = status;
        this.#draw(db);
      }),
      db.rejected.subscribe((rejected) => {
        this.#rejected = rejected;
        this.#draw(db);
      }),
      db.onSalvaged((reason, file) => {
        this.#salvaged = { reason, file };
        this.#draw(db);
      }),
    ];
  }

  #draw(db: Database): void {
    const { status, cause, message, advice, pending } = this.#status!;
    const blocked = status === "stuck" || status === "incompatible";
    // Drawn anew only for another reason: whoever has the focus in here keeps it.
    const reason = JSON.stringify([blocked, cause, message, advice, blocked && pending, this.#rejected, this.#salvaged?.reason]);
    if (reason === this.#drawn) return;
    this.#drawn = reason;
    this.hidden = !blocked && this.#rejected.length === 0 && !this.#salvaged;
    if (this.hidden) return this.show();
    const box = make("section", { class: blocked ? "box" : "box calm", part: "box", role: blocked ? "alert" : "status" });
    if (blocked) box.append(...this.#blocked(db, this.#status!));
    else if (this.#salvaged) box.append(...this.#kept(db));
    if (this.#rejected.length > 0) box.append(this.#refused(db));
    this.show(box);
  }

  #blocked(db: Database, { status, cause, message, advice, pending }: Status): HTMLElement[] {
    const isSignedOut = cause === "not_allowed";
    const unsent = pending === 1 ? "1 change of yours is not sent yet; it is safe on this device." : `${pending} changes of yours are not sent yet; they are safe on this device.`;
    return [
      make("h3", {}, titles[cause] ?? "Syncing has stopped"),
      make("p", { class: "message" }, message),
      make("p", { class: "quiet" }, advice),
      make("p", {}, pending > 0 ? unsent : "Nothing of yours waits to be sent."),
      make(
        "div",
        { class: "buttons" },
        pending > 0 && make("button", { class: "export", onclick: () => void this.#export(db) }, "Save unsent work as a file"),
        make(
          "button",
          { class: "main resync", onclick: () => void this.act(() => (isSignedOut ? db.sync() : db.resync().then(() => db.sync()))) },
          isSignedOut || status === "incompatible" ? "Try again" : "Compare with the server and go on",
        ),
      ),
    ];
  }

  #kept(db: Database): HTMLElement[] {
    const { file } = this.#salvaged!;
    return [
      make("h3", {}, "The server began anew"),
      make("p", { class: "message" }, "Your unsent changes were kept, and are sent again."),
      make(
        "div",
        { class: "buttons" },
        make("button", { class: "export", onclick: () => download(`${db.name}.changes`, file) }, "Save a copy"),
        make("button", {
          class: "main dismiss",
          onclick: () => {
            this.#salvaged = null;
            this.#draw(db);
          },
        }, "All right"),
      ),
    ];
  }

  #refused(db: Database): HTMLElement {
    return make(
      "ul",
      { "aria-label": "Changes that the server refused" },
      ...this.#rejected.map((rejected) =>
        make(
          "li",
          {},
          make("span", {}, `A change was refused: ${rejected.message ?? rejected.code}`),
          make("button", { class: "retry", onclick: () => void this.act(() => db.retryRejected(rejected.id)) }, "Try again"),
          make("button", { class: "discard", onclick: () => void this.act(() => db.discardRejected(rejected.id)) }, "Forget it"),
        ),
      ),
    );
  }

  async #export(db: Database): Promise<void> {
    await this.act(async () => download(`${db.name}.changes`, await db.exportPending()));
  }
}
define("syncline-recovery", RecoveryElement);
