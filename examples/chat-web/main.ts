// The demonstration: each device is a database of its own in this browser, as if on another machine.
import { open, WebSocketTransport, type Connection, type Database, type Transport, type TransportEvents } from "syncline";
import "syncline/elements";

interface Message {
  id: string;
  companion: string;
  author: string;
  body: string;
  at: number;
}
interface Note {
  id: string;
  title: string;
  body: string;
  stars: number;
}

const workspace = "demo";
const companions = [
  { id: "mira", name: "Mira" },
  { id: "otto", name: "Otto" },
  { id: "june", name: "June" },
];
const notice = document.querySelector<HTMLElement>("#notice")!;

/** Frames take their time, both ways and in order: a slow network. */
class SlowTransport implements Transport {
  latencyMs = 0;
  private readonly inner = new WebSocketTransport();

  dial(url: string, events: TransportEvents): Connection {
    let due = 0;
    const later = (work: () => void): void => {
      due = Math.max(due, performance.now() + this.latencyMs);
      setTimeout(work, due - performance.now());
    };
    const connection = this.inner.dial(url, {
      open: () => later(() => events.open()),
      frame: (frame) => later(() => events.frame(frame)),
      closed: (reason) => later(() => events.closed(reason)),
    });
    return { send: (frame) => later(() => connection.send(frame)), close: () => connection.close() };
  }
}

function pick<T extends Element = HTMLElement>(root: ParentNode, selector: string): T {
  return root.querySelector<T>(selector)!;
}

function say(text: string): void {
  notice.textContent = text;
}

class Device {
  readonly element: HTMLElement;
  private companion = "mira";
  private stopMessages: (() => void) | undefined;

  constructor(
    readonly name: string,
    readonly db: Database,
    private readonly transport: SlowTransport,
  ) {
    const template = document.querySelector<HTMLTemplateElement>("#device")!;
    this.element = template.content.firstElementChild!.cloneNode(true) as HTMLElement;
    this.element.dataset.device = name;
    pick(this.element, "h2").textContent = name;
    for (const element of this.element.querySelectorAll("*")) {
      if (element.localName.startsWith("syncline-")) (element as HTMLElement & { db: Database }).db = db;
    }
    this.controls();
    this.tabs();
    this.chat();
    this.notes();
    this.page();
    db.conflicts.subscribe((conflicts) => {
      const badge = pick(this.element, ".badge");
      badge.hidden = conflicts.length === 0;
      badge.textContent = String(conflicts.length);
      pick(this.element, "syncline-conflicts").hidden = conflicts.length === 0;
    });
    db.onSalvaged(() => say("The server is another one now: unsent work was put aside first, and is sent again."));
    void db.setPresence("device", { name });
  }

  private controls(): void {
    const offline = pick<HTMLInputElement>(this.element, ".offline");
    offline.addEventListener("change", () => void (offline.checked ? this.db.pause() : this.db.resume()));
    const slider = pick<HTMLInputElement>(this.element, ".latency input");
    slider.addEventListener("input", () => {
      this.transport.latencyMs = Number(slider.value);
      pick(this.element, "output").textContent = `${slider.value} ms`;
    });
    pick(this.element, ".clone").addEventListener("click", () => void this.clone());
  }

  private async clone(): Promise<void> {
    const name = `${this.name} copy ${document.querySelectorAll(".device").length - 1}`;
    await addDevice(name, await this.db.exportFile());
    say(`${name} began as a copy of ${this.name}'s file. The engine notices, and it becomes a device of its own.`);
  }

  private tabs(): void {
    const tabs = [...this.element.querySelectorAll<HTMLElement>("[role=tab]")];
    for (const tab of tabs) {
      tab.addEventListener("click", () => {
        for (const other of tabs) {
          other.setAttribute("aria-selected", String(other === tab));
          pick(this.element, `.pane.${other.dataset.tab}`).hidden = other !== tab;
        }
      });
    }
  }

  private chat(): void {
    const group = pick(this.element, ".companions");
    for (const { id, name } of companions) {
      const button = document.createElement("button");
      button.textContent = name;
      button.dataset.companion = id;
      button.addEventListener("click", () => this.talkTo(id));
      group.append(button);
    }
    this.talkTo(this.companion);
    const form = pick<HTMLFormElement>(this.element, ".send");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const input = form.elements.namedItem("body") as HTMLInputElement;
      const body = input.value.trim();
      if (!body) return;
      input.value = "";
      const message = { id: crypto.randomUUID(), companion: this.companion, author: this.name, body, at: Date.now() };
      void this.db.table<Message>("messages").put(message);
    });
  }

  private talkTo(companion: string): void {
    this.companion = companion;
    for (const button of this.element.querySelectorAll<HTMLElement>(".companions button")) {
      button.setAttribute("aria-pressed", String(button.dataset.companion === companion));
    }
    this.stopMessages?.();
    const list = pick(this.element, ".messages");
    const query = this.db.live<Message>(
      "SELECT * FROM (SELECT * FROM messages WHERE companion = ?1 ORDER BY at DESC, id LIMIT 100) ORDER BY at, id",
      [companion],
    );
    this.stopMessages = query.subscribe((messages) => {
      list.replaceChildren(...messages.map((message) => this.bubble(message)));
      if (messages.length === 0) list.append(Object.assign(document.createElement("li"), { className: "none", textContent: "Say hello" }));
      list.scrollTop = list.scrollHeight;
    });
  }

  private bubble({ author, body, at }: Message): HTMLElement {
    const item = document.createElement("li");
    item.className = author === this.name ? "mine" : "theirs";
    item.textContent = body;
    const small = document.createElement("small");
    small.textContent = `${author} · ${new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}`;
    item.append(small);
    return item;
  }

  private notes(): void {
    const list = pick(this.element, ".note-list");
    const shown = new Map<string, HTMLElement>();
    this.db.live<Note>("SELECT * FROM notes ORDER BY id LIMIT 50").subscribe((notes) => {
      const ids = new Set(notes.map(({ id }) => id));
      for (const [id, element] of shown) {
        if (ids.has(id)) continue;
        element.remove();
        shown.delete(id);
      }
      for (const note of notes) {
        let element = shown.get(note.id);
        if (!element) shown.set(note.id, (element = this.note(note.id)));
        list.append(element);
        this.fill(element, note);
      }
    });
    pick(this.element, ".add").addEventListener("click", () => {
      void this.db.table<Note>("notes").put({ id: crypto.randomUUID(), title: "A note", body: "" });
    });
  }

  private page(): void {
    const text = pick<HTMLTextAreaElement>(this.element, ".page textarea");
    const begin = pick(this.element, ".begin");
    const table = this.db.table<{ id: string; body: string }>("pages");
    // What the database is known to hold: what is typed meanwhile is not taken away.
    let known = "";
    let writing = false;
    const write = async (): Promise<void> => {
      if (writing) return;
      writing = true;
      while (text.value !== known) {
        const body = text.value;
        known = body;
        await table.update("shared", { body });
      }
      writing = false;
    };
    text.addEventListener("input", () => void write());
    begin.addEventListener("click", () => void table.put({ id: "shared", body: "" }));
    table.live({ where: { id: "shared" } }).subscribe(([row]) => {
      text.hidden = row === undefined;
      begin.hidden = row !== undefined;
      if (!row || writing || text.value !== known) return;
      const before = text.value;
      known = row.body;
      if (before === known) return;
      const [start, end] = [text.selectionStart, text.selectionEnd].map((at) => moved(at, before, known));
      text.value = known;
      if (document.activeElement === text) text.setSelectionRange(start!, end!);
    });
  }

  private note(id: string): HTMLElement {
    const element = document.createElement("article");
    element.className = "note";
    element.dataset.note = id;
    element.innerHTML =
      '<input class="title" name="title" aria-label="Title"><button class="star" aria-label="Star">★ <span></span></button>' +
      '<button class="remove" aria-label="Delete">✕</button><textarea name="body" aria-label="Text"></textarea>';
    const table = this.db.table<Note>("notes");
    for (const field of element.querySelectorAll<HTMLInputElement>("[name]")) {
      field.addEventListener("change", () => void table.update(id, { [field.name]: field.value }));
    }
    pick(element, ".star").addEventListener("click", () => void this.db.exec("UPDATE notes SET stars = stars + 1 WHERE id = ?1", [id]));
    pick(element, ".remove").addEventListener("click", () => void table.delete(id));
    return element;
  }

  private fill(element: HTMLElement, note: Note): void {
    for (const name of ["title", "body"] as const) {
      const field = pick<HTMLInputElement>(element, `[name=${name}]`);
      // What is being typed is not taken away.
      if (document.activeElement !== field && field.value !== note[name]) field.value = note[name];
    }
    pick(element, ".star span").textContent = String(note.stars);
  }
}

/** Where the cursor is after `before` became `after` around it. */
function moved(cursor: number, before: string, after: string): number {
  let same = 0;
  while (same < before.length && same < after.length && before[same] === after[same]) same++;
  if (cursor <= same) return cursor;
  const change = after.length - before.length;
  let end = 0;
  while (end < before.length - same && end < after.length - same && before.at(-1 - end) === after.at(-1 - end)) end++;
  return cursor >= before.length - end ? cursor + change : Math.min(cursor, after.length - end);
}

let schema: string | undefined;
const devices = new Map<string, Device>();

async function addDevice(name: string, from?: Uint8Array): Promise<Device> {
  schema ??= await (await fetch("schema.sql")).text();
  const transport = new SlowTransport();
  const db = await open({ name: `demo-${name}`, schema, url: location.origin, workspace, transport, from });
  const device = new Device(name, db, transport);
  devices.set(name, device);
  document.querySelector("#devices")!.append(device.element);
  return device;
}

async function post(path: string, body: object = {}): Promise<void> {
  const response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(((await response.json()) as { error: { message: string } }).error.message);
}

function button(id: string, work: () => Promise<void>): void {
  const element = document.querySelector<HTMLButtonElement>(`#${id}`)!;
  element.addEventListener("click", () => {
    element.disabled = true;
    work()
      .catch((error: Error) => say(error.message))
      .finally(() => (element.disabled = false));
  });
}

button("script", async () => {
  const at = Date.now();
  await post("/demo/script", {
    sql: `INSERT INTO messages VALUES(lower(hex(randomblob(8))), 'mira', 'a script', 'Written by SQL on the server''s machine', ${at})`,
  });
  say("A script on the server's machine ran an INSERT in a SQLite file of its own.");
});
button("rebuild", async () => {
  await post("/demo/rebuild");
  say("The server threw its log away. Devices bring it back what they have, unsent work first put aside.");
});
button("many", async () => {
  await post("/demo/script", {
    sql:
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) " +
      "INSERT INTO notes(id, title, body) SELECT 'z' || lower(hex(randomblob(8))), 'Record ' || i, 'Number ' || i || ' of five thousand' FROM n",
  });
  say("5,000 notes were written in one transaction.");
});

const third = new URLSearchParams(location.search).get("device");
const names = third ? [third] : ["Phone", "Laptop"];
try {
  for (const name of names) await addDevice(name);
  document.body.dataset.ready = "";
} catch (error) {
  say((error as Error).message);
  throw error;
}
