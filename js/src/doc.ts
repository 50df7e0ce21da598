import type * as Yjs from "yjs";
import type { Database } from "./database.js";
import type { SqlInput, SynclineError } from "./values.js";

type YjsModule = typeof Yjs;

export interface DocOptions {
  /** The document to fill and follow; what it holds already goes into the database. */
  doc?: Yjs.Doc;
  /** Yjs, when the page has a copy of its own that `import("yjs")` would not find. */
  yjs?: YjsModule;
  /** Told when an edit could not be kept; what can be tried again is. */
  onError?: (error: SynclineError) => void;
}

/** A cell: the row's key, or the values of a key of several columns in its order. */
export interface Place {
  table: string;
  key: SqlInput | readonly SqlInput[];
  column: string;
}

const retryAfterMs = 500;

function keyInput(key: Place["key"]): SqlInput {
  if (!Array.isArray(key)) return key as SqlInput;
  const part = (value: SqlInput): unknown =>
    value instanceof Uint8Array ? { base64: toBase64(value) } : typeof value === "bigint" ? Number(value) : value;
  return JSON.stringify(key.map(part));
}

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

// --- What a page that goes leaves behind ----------------------------------------------------------

interface Left {
  table: string;
  key: SqlInput;
  column: string;
  name: string;
  update: string;
}

function pageStorage(): Storage | undefined {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined; // forbidden here
  }
}
const leftPrefix = (db: string): string => `syncline-doc:${db}:`;

/** Takes in edits that a page could not hand over before it went. Taking them in twice does no harm. */
export async function takeLeftEdits(db: Database): Promise<void> {
  const storage = pageStorage();
  if (!storage) return;
  const names = Array.from({ length: storage.length }, (_, i) => storage.key(i)!);
  for (const name of names.filter((each) => each.startsWith(leftPrefix(db.name)))) {
    try {
      const left = JSON.parse(storage.getItem(name)!) as Left;
      const place = [left.table, left.key, left.column];
      await db.query(applySql, [...place, fromBase64(left.update), left.name]);
    } catch (error) {
      // Tried again next time, unless the row or the edit is what is wrong.
      if ((error as SynclineError).retryable) continue;
      console.warn("syncline: an edit of a document that is gone was dropped", error);
    }
    storage.removeItem(name);
  }
}

// Nothing happens when the document was begun anew: an edit of the old one would bring that back.
const applySql =
  "SELECT syncline_doc_apply(?1, ?2, ?3, ?4) AS done FROM (SELECT syncline_doc_name(?1, ?2, ?3) AS name) WHERE name = ?5";

// --- A document that is open ----------------------------------------------------------------------

/**
 * A cell of a column tracked as `text` or `doc`, as a live Yjs document: editors bind to `doc` as to
 * any other. Edits go into the database transaction by transaction; what others do to the cell, in
 * other tabs, by SQL or from elsewhere, comes into `doc` with this object as its origin.
 *
 * 1. An edit is kept here until the database has it; when the page goes before that, in the page's
 *    localStorage.
 * 2. Edits of a document that was begun anew (its cell set whole, its row put again) are not applied
 *    to the new one.
 */
export class LiveDoc {
  /** The database no longer holds this document but another one; open it again. */
  readonly replaced: Promise<void>;
  /** It no longer follows the database. */
  readonly over: Promise<void>;
  #markReplaced!: () => void;
  #markOver!: () => void;
  readonly #place: SqlInput[];
  #name = "";
  // Not handed over yet, and handed over but not answered.
  #edits: Uint8Array[] = [];
  #sent: Uint8Array[] = [];
  #sending: Promise<void> | null = null;
  #pulling: Promise<void> | null = null;
  #pullAgain = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #stops: (() => void)[] = [];
  readonly #id = crypto.randomUUID();
  #isOver = false;

  readonly #db: Database;
  readonly #where: Place;
  readonly #yjs: YjsModule;
  readonly #options: DocOptions;

  private constructor(
    db: Database,
    where: Place,
    readonly doc: Yjs.Doc,
    yjs: YjsModule,
    options: DocOptions,
  ) {
    this.#db = db;
    this.#where = where;
    this.#yjs = yjs;
    this.#options = options;
    this.#place = [where.table, keyInput(where.key), where.column];
    this.replaced = new Promise((resolve) => (this.#markReplaced = resolve));
    this.over = new Promise((resolve) => (this.#markOver = resolve));
  }

  static async open(db: Database, where: Place, options: DocOptions = {}): Promise<LiveDoc> {
    const yjs = options.yjs ?? ((await import("yjs")) as YjsModule);
    await takeLeftEdits(db);
    const live = new LiveDoc(db, where, options.doc ?? new yjs.Doc(), yjs, options);
    await live.#begin();
    return live;
  }

  /** The text of a column with rule `text`. */
  text(): Yjs.Text {
    return this.doc.getText("text");
  }

  /** Whether every edit made here is in the database. */
  get isSaved(): boolean {
    return this.#edits.length === 0 && this.#sent.length === 0;
  }

  /** Resolves once every edit made so far is in the database. */
  async saved(): Promise<void> {
    while (!this.isSaved && !this.#isOver) await (this.#sending ?? this.#send());
  }

  /** Stops following, after what was edited is in the database. `doc` stays as it is. */
  async close(): Promise<void> {
    await this.saved();
    this.#end();
  }

  async #begin(): Promise<void> {
    // Before the first look, so that nothing falls between.
    const mark = this.#db.live<{ mark: string | null }>(
      `SELECT syncline_doc_mark(?1, ?2, ?3) AS mark FROM (SELECT 1 FROM "${this.#where.table.replaceAll('"', '""')}" LIMIT 1)`,
      this.#place,
    );
    this.#stops.push(mark.subscribe(([row]) => {
      // The row is gone. Should there never have been one, the first look says so.
      if (this.#name !== "" && !row?.mark) this.#replace();
      else void this.#pull();
    }));
    this.#stops.push(mark.onError((error) => this.#complain(error)));
    try {
      const [row] = await this.#db.query<{ name: string; state: Uint8Array }>(
        "SELECT syncline_doc_name(?1, ?2, ?3) AS name, syncline_doc_update(?1, ?2, ?3) AS state",
        this.#place,
      );
      this.#name = row!.name;
      this.#yjs.applyUpdate(this.doc, row!.state, this);
      if (this.#options.doc) {
        this.#edits.push(this.#yjs.encodeStateAsUpdate(this.doc, this.#yjs.encodeStateVectorFromUpdate(row!.state)));
      }
    } catch (error) {
      this.#end();
      throw error;
    }
    const edited = (update: Uint8Array, origin: unknown): void => {
      if (origin === this || this.#isOver) return;
      this.#edits.push(update);
      if (!this.#sending) this.#sending = Promise.resolve().then(() => this.#send());
    };
    this.doc.on("update", edited);
    this.#stops.push(() => this.doc.off("update", edited));
    const ended = (): void => this.#end();
    this.doc.on("destroy", ended);
    this.#stops.push(() => this.doc.off("destroy", ended));
    if (typeof window !== "undefined" && window.addEventListener) {
      const leave = (): void => this.#leave();
      window.addEventListener("pagehide", leave);
      this.#stops.push(() => window.removeEventListener("pagehide", leave));
    }
    // What came while the first look was on its way.
    await this.#pull();
    await this.saved();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    for (const stop of this.#stops) stop();
    this.#markOver();
  }

  #complain(error: SynclineError): void {
    if (this.#options.onError) this.#options.onError(error);
    else console.error("syncline: a document", this.#where, error);
  }

  #replace(): void {
    this.#end();
    this.#markReplaced();
  }

  // --- Edits of this page ---

  #send(): Promise<void> {
    return (this.#sending = this.#sendAll().finally(() => (this.#sending = null)));
  }

  async #sendAll(): Promise<void> {
    clearTimeout(this.#timer);
    while (this.#edits.length > 0 && !this.#isOver) {
      this.#sent = this.#edits;
      this.#edits = [];
      try {
        const update = this.#sent.length === 1 ? this.#sent[0]! : this.#yjs.mergeUpdates(this.#sent);
        const done = await this.#db.query(applySql, [...this.#place, update, this.#name]);
        this.#sent = [];
        this.#forgetLeft();
        if (done.length === 0) return this.#replace();
      } catch (error) {
        const failure = error as SynclineError;
        this.#edits = [...this.#sent, ...this.#edits];
        this.#sent = [];
        if (this.#isOver) return;
        this.#complain(failure);
        // The row is gone, or the edit is refused: trying again would not help.
        if (!failure.retryable) return this.#replace();
        await new Promise<void>((done) => (this.#timer = setTimeout(done, retryAfterMs)));
      }
    }
  }

  /** Invariant 1: the worker may go with the page before it has heard of an edit. */
  #leave(): void {
    const waiting = [...this.#sent, ...this.#edits];
    if (waiting.length === 0) return;
    const left: Left = {
      table: this.#where.table,
      key: this.#place[1]!,
      column: this.#where.column,
      name: this.#name,
      update: toBase64(this.#yjs.mergeUpdates(waiting)),
    };
    try {
      pageStorage()?.setItem(leftPrefix(this.#db.name) + this.#id, JSON.stringify(left));
    } catch (error) {
      this.#complain(error as SynclineError);
    }
    if (this.#edits.length > 0 && !this.#sending) void this.#send();
  }

  #forgetLeft(): void {
    if (this.#edits.length === 0) pageStorage()?.removeItem(leftPrefix(this.#db.name) + this.#id);
  }

  // --- Edits of others ---

  #pull(): Promise<void> {
    if (this.#pulling) {
      this.#pullAgain = true;
      return this.#pulling;
    }
    return (this.#pulling = this.#pullAll().finally(() => (this.#pulling = null)));
  }

  async #pullAll(): Promise<void> {
    do {
      this.#pullAgain = false;
      if (this.#isOver || this.#name === "") return;
      try {
        const [row] = await this.#db.query<{ name: string; diff: Uint8Array }>(
          "SELECT syncline_doc_name(?1, ?2, ?3) AS name, syncline_doc_diff(?1, ?2, ?3, ?4) AS diff",
          [...this.#place, this.#yjs.encodeStateVector(this.doc)],
        );
        if (this.#isOver) return;
        if (row!.name !== this.#name) return this.#replace();
        this.#yjs.applyUpdate(this.doc, row!.diff, this);
      } catch (error) {
        if (!this.#isOver) this.#complain(error as SynclineError);
      }
    } while (this.#pullAgain);
  }
}
