// The engine's WebAssembly module: what it imports, and its calls as methods. The module is
// emscripten's standalone output; none of emscripten's JavaScript is used.
import type { Storage } from "./storage.js";
import { Packer, SynclineError, Unpacker, type Done, type Rows, type SqlInput } from "./values.js";

/** What a session asks for. Called in the middle of the engine's calls: note it, and return. */
export interface Link {
  dial(): void;
  send(frame: Uint8Array): void;
  hangUp(reason: string): void;
  /** Milliseconds of the clock that `now` arguments are given in; 0 is at once. */
  wakeAt(at: number): void;
  salvaged(reason: string, file: Uint8Array): void;
  presence(replica: string, key: string, value: Uint8Array): void;
}

type Call = (...args: number[]) => number;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const ioError = -1;

/** One instance of the module with one database in it. */
export class Engine {
  #exports!: Record<string, Call>;
  #memory!: WebAssembly.Memory;
  #view = new Uint8Array(0);
  #db = 0;
  #scratch = 0;
  #scratchBytes = 0;
  readonly #packer = new Packer();
  #failed?: SynclineError;

  readonly #storage: Storage;
  readonly #link: Link;

  private constructor(
    storage: Storage,
    link: Link,
  ) {
    this.#storage = storage;
    this.#link = link;
  }

  static async open(
    module: WebAssembly.Module,
    storage: Storage,
    link: Link,
    name: string,
  ): Promise<Engine> {
    const engine = new Engine(storage, link);
    const instance = await WebAssembly.instantiate(module, engine.#imports());
    engine.#exports = instance.exports as unknown as Record<string, Call>;
    engine.#memory = instance.exports.memory as WebAssembly.Memory;
    engine.#exports._initialize!();
    engine.#db = engine.#exports.sl_new!(1);
    try {
      engine.#check(engine.#withText(name, (at, size) => engine.#call("sl_open", at, size)));
    } catch (error) {
      engine.close();
      throw error;
    }
    return engine;
  }

  close(): void {
    if (this.#db !== 0) this.#exports.sl_delete!(this.#db);
    this.#db = 0;
  }

  // --- Memory -------------------------------------------------------------------------------------

  /** Memory that grew has a new buffer. */
  #bytes(at: number, size: number): Uint8Array {
    if (this.#view.buffer !== this.#memory.buffer) this.#view = new Uint8Array(this.#memory.buffer);
    return this.#view.subarray(at, at + size);
  }

  #text(at: number, size: number): string {
    return decoder.decode(this.#bytes(at, size));
  }

  #room(size: number): number {
    if (size > this.#scratchBytes) {
      if (this.#scratch !== 0) this.#exports.sl_free!(this.#scratch);
      this.#scratchBytes = Math.max(size, this.#scratchBytes * 2, 4096);
      this.#scratch = this.#exports.sl_allocate!(this.#scratchBytes);
      if (this.#scratch === 0) throw new SynclineError("out_of_memory", "the page has no memory left");
    }
    return this.#scratch;
  }

  #withText<T>(text: string, use: (at: number, size: number) => T): T {
    const at = this.#room(text.length * 3 + 1);
    const { written } = encoder.encodeInto(text, this.#bytes(at, text.length * 3));
    return use(at, written);
  }

  /** Text and bytes side by side in the module's memory. */
  #withTextAndBytes<T>(
    text: string,
    data: Uint8Array,
    use: (textAt: number, textSize: number, dataAt: number, dataSize: number) => T,
  ): T {
    const textRoom = text.length * 3;
    const at = this.#room(textRoom + data.length + 1);
    const { written } = encoder.encodeInto(text, this.#bytes(at, textRoom));
    this.#bytes(at + textRoom, data.length).set(data);
    return use(at, written, at + textRoom, data.length);
  }

  #call(name: string, ...args: number[]): number {
    if (this.#failed) throw this.#failed;
    if (this.#db === 0) throw new SynclineError("cancelled", "the database was closed");
    try {
      return this.#exports[name]!(this.#db, ...args);
    } catch (error) {
      // A trap: the module's memory can no longer be trusted. The files are as after a crash.
      this.#failed = new SynclineError("internal", `the engine stopped: ${(error as Error).message}`);
      throw this.#failed;
    }
  }

  #answer(): Uint8Array {
    return this.#bytes(this.#call("sl_answer"), this.#call("sl_answer_size"));
  }

  #check(result: number): void {
    if (result === 0) return;
    const told = JSON.parse(decoder.decode(this.#answer())) as SynclineError;
    throw new SynclineError(told.code, told.message, told.retryable);
  }

  // --- SQL ----------------------------------------------------------------------------------------

  /** The packed answer, borrowed until the next call. */
  queryPacked(sql: string, values: readonly SqlInput[]): Uint8Array {
    const packed = this.#packer.values(values);
    this.#check(this.#withTextAndBytes(sql, packed, (...at) => this.#call("sl_query", ...at)));
    return this.#answer();
  }

  query(sql: string, values: readonly SqlInput[] = []): Done {
    return new Unpacker(this.queryPacked(sql, values)).done();
  }

  script(sql: string): void {
    this.#check(this.#withText(sql, (at, size) => this.#call("sl_script", at, size)));
  }

  inTransaction(): boolean {
    return this.#call("sl_in_transaction") === 1;
  }

  subscribe(sql: string, values: readonly SqlInput[]): number {
    const packed = this.#packer.values(values);
    this.#check(this.#withTextAndBytes(sql, packed, (...at) => this.#call("sl_subscribe", ...at)));
    return new Unpacker(this.#answer()).f64();
  }

  unsubscribe(id: number): void {
    this.#call("sl_unsubscribe", id);
  }

  /** The live queries whose results changed, or that cannot be run any more. */
  poll(): ({ id: number; rows: Rows } | { id: number; error: { code: string; message: string } })[] {
    this.#check(this.#call("sl_poll"));
    const unpacker = new Unpacker(this.#answer());
    const out: ReturnType<Engine["poll"]> = [];
    while (!unpacker.atEnd) {
      const id = unpacker.f64();
      if (unpacker.u8() === 0) out.push({ id, rows: unpacker.rows() });
      else out.push({ id, error: { code: unpacker.text(), message: unpacker.text() } });
    }
    return out;
  }

  events(): { name: string; at: number; payload: Record<string, unknown> }[] {
    this.#call("sl_events", 1000);
    return JSON.parse(decoder.decode(this.#answer()));
  }

  status(now: number): { session: Record<string, unknown>; engine: Record<string, unknown> } {
    this.#check(this.#call("sl_status", now));
    return JSON.parse(decoder.decode(this.#answer()));
  }

  // --- Changes for a transport of the application's -----------------------------------------------

  outbox(after: number, bytesMax: number): { version: number; sequence: number; parts: Uint8Array[] }[] {
    this.#check(this.#call("sl_outbox", after, bytesMax));
    const unpacker = new Unpacker(this.#answer().slice());
    const out = [];
    while (!unpacker.atEnd) {
      const version = unpacker.f64();
      const sequence = unpacker.f64();
      const parts = Array.from({ length: unpacker.u32() }, () => unpacker.blob().slice());
      out.push({ version, sequence, parts });
    }
    return out;
  }

  acknowledge(through: number): void {
    this.#check(this.#call("sl_acknowledge", through));
  }

  receive(cursor: number, parts: readonly Uint8Array[]): Record<string, number> {
    this.#packer.clear();
    for (const part of parts) this.#packer.blob(part);
    const packed = this.#packer.done();
    const at = this.#room(packed.length + 1);
    this.#bytes(at, packed.length).set(packed);
    this.#check(this.#call("sl_receive", cursor, at, packed.length));
    return JSON.parse(decoder.decode(this.#answer()));
  }

  // --- The conversation ---------------------------------------------------------------------------

  start(now: number, workspace: string, token: string): void {
    const secret = encoder.encode(token);
    this.#check(
      this.#withTextAndBytes(workspace, secret, (...at) => this.#call("sl_start", now, ...at)),
    );
  }

  stop(now: number): void {
    this.#call("sl_stop", now);
  }

  connected(now: number): void {
    this.#call("sl_connected", now);
  }

  disconnected(now: number, reason = ""): void {
    this.#withText(reason, (at, size) => this.#call("sl_disconnected", now, at, size));
  }

  frame(now: number, frame: Uint8Array): void {
    const at = this.#room(frame.length + 1);
    this.#bytes(at, frame.length).set(frame);
    this.#call("sl_frame", now, at, frame.length);
  }

  wakeup(now: number): void {
    this.#call("sl_wakeup", now);
  }

  sync(now: number): void {
    this.#call("sl_sync", now);
  }

  resync(now: number): void {
    this.#call("sl_resync", now);
  }

  token(now: number, token: string): void {
    this.#withText(token, (at, size) => this.#call("sl_token", now, at, size));
  }

  presence(now: number, key: string, value: Uint8Array): void {
    this.#withTextAndBytes(key, value, (...at) => this.#call("sl_presence", now, ...at));
  }

  // --- What the module imports --------------------------------------------------------------------

  #imports(): WebAssembly.Imports {
    return {
      syncline: { ...this.#pageImports(), ...this.#fileImports(), ...this.#linkImports() },
      env: { emscripten_notify_memory_growth: () => {} },
      wasi_snapshot_preview1: {
        proc_exit: (code: number) => {
          throw new Error(`it left with ${code}`);
        },
        environ_sizes_get: (count: number, size: number) => {
          const view = new DataView(this.#memory.buffer);
          view.setUint32(count, 0, true);
          view.setUint32(size, 0, true);
          return 0;
        },
        environ_get: () => 0,
        fd_close: () => 0,
        fd_seek: () => 0,
        fd_write: (_file: number, list: number, count: number, written: number) =>
          this.#complain(list, count, written),
      },
    };
  }

  /** The engine's last words before it stops itself. */
  #complain(list: number, count: number, written: number): number {
    const view = new DataView(this.#memory.buffer);
    let text = "";
    let bytes = 0;
    for (let i = 0; i < count; i++) {
      const size = view.getUint32(list + i * 8 + 4, true);
      text += this.#text(view.getUint32(list + i * 8, true), size);
      bytes += size;
    }
    view.setUint32(written, bytes, true);
    console.error(`syncline: ${text.trimEnd()}`);
    return 0;
  }

  #pageImports(): Record<string, (...args: number[]) => number | void> {
    return {
      now_ms: () => Date.now(),
      random: (at: number, size: number) => {
        globalThis.crypto.getRandomValues(this.#bytes(at, size));
      },
    };
  }

  #fileImports(): Record<string, (...args: number[]) => number | void> {
    // Nothing thrown may cross the module.
    const guarded =
      (work: (...args: number[]) => number | void) =>
      (...args: number[]): number => {
        try {
          return work(...args) ?? 0;
        } catch {
          return ioError;
        }
      };
    const storage = this.#storage;
    return {
      file_open: guarded((at, size, create) =>
        storage.open(at === 0 ? null : this.#text(at!, size!), create === 1),
      ),
      file_close: guarded((file) => storage.close(file!)),
      file_read: guarded((file, at, size, offset) =>
        storage.read(file!, this.#bytes(at!, size!), offset!),
      ),
      file_write: guarded((file, at, size, offset) =>
        storage.write(file!, this.#bytes(at!, size!), offset!),
      ),
      file_truncate: guarded((file, size) => storage.truncate(file!, size!)),
      file_sync: guarded((file) => storage.sync(file!)),
      file_size: guarded((file) => storage.size(file!)),
      file_delete: guarded((at, size) => storage.delete(this.#text(at!, size!))),
      file_exists: (at, size) => (storage.exists(this.#text(at!, size!)) ? 1 : 0),
    };
  }

  #linkImports(): Record<string, (...args: number[]) => void> {
    const link = this.#link;
    return {
      link_dial: () => link.dial(),
      link_send: (_db, at, size) => link.send(this.#bytes(at!, size!).slice()),
      link_hang_up: (_db, at, size) => link.hangUp(this.#text(at!, size!)),
      link_wake_at: (_db, at) => link.wakeAt(at!),
      link_salvaged: (_db, at, size, file, fileSize) =>
        link.salvaged(this.#text(at!, size!), this.#bytes(file!, fileSize!).slice()),
      link_presence: (_db, replica, key, keySize, value, size) =>
        link.presence(
          this.#text(replica!, 32),
          this.#text(key!, keySize!),
          this.#bytes(value!, size!).slice(),
        ),
    };
  }
}
