// Browser storage: a pool of files in the origin's private file system, whose handles are taken once
// and kept, because only handles can be used synchronously. A file of the pool begins with a header
// that says which of SQLite's files it is at the moment:
//
//   name: 512 bytes UTF-8, zero-padded | in use: u32 | checksum: u32 | ... up to 4096 bytes
//
// 1. A handle is exclusive: whoever holds the pool is the only one with the database.
// 2. A header is written and flushed before the file it names is used, and blanked when it goes; one
//    that does not match its checksum is free.
import { folderName, root } from "./storage_folder.js";
import { SynclineError } from "./values.js";
import type { Storage } from "./storage.js";

const headerBytes = 4096;
const nameBytes = 512;
// The database, its WAL and one for temporary files; each may be doubled while something is moved.
const capacity = 6;
const retries = 40;

interface Handle {
  read(out: Uint8Array, options: { at: number }): number;
  write(data: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  flush(): void;
  getSize(): number;
  close(): void;
}

interface Slot {
  handle: Handle;
  name: string | null;
}

function checksum(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

async function take(file: FileSystemFileHandle, patience: number): Promise<Handle> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await (file as unknown as { createSyncAccessHandle(): Promise<Handle> }).createSyncAccessHandle();
    } catch (error) {
      // A worker that was just ended may hold its handles for a moment longer.
      if ((error as Error).name !== "NoModificationAllowedError" || attempt >= patience) throw error;
      await new Promise((done) => setTimeout(done, Math.min(10 * (attempt + 1), 100)));
    }
  }
}

/** False in private windows of some browsers, and where files have no handles. */
export function hasOpfs(): boolean {
  return (
    typeof navigator !== "undefined" &&
    typeof navigator.storage?.getDirectory === "function" &&
    typeof (globalThis as { FileSystemSyncAccessHandle?: unknown }).FileSystemSyncAccessHandle ===
      "function"
  );
}

export class OpfsStorage implements Storage {
  readonly kind = "opfs" as const;
  readonly #slots: Slot[] = [];
  readonly #byName = new Map<string, number>();

  /** Waits a few seconds for a holder that is on its way out. */
  static async open(database: string): Promise<OpfsStorage> {
    const folder = await (await root(true)).getDirectoryHandle(folderName(database), { create: true });
    const out = new OpfsStorage();
    try {
      const files: FileSystemFileHandle[] = [];
      for await (const entry of folder.values()) {
        if (entry.kind === "file") files.push(entry as FileSystemFileHandle);
      }
      for (let i = files.length; i < capacity; i++) {
        const name = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
        files.push(await folder.getFileHandle(name, { create: true }));
      }
      for (const file of files) out.#add(await take(file, retries));
    } catch (error) {
      out.dispose();
      throw error;
    }
    return out;
  }

  #add(handle: Handle): void {
    const slot: Slot = { handle, name: null };
    const header = new Uint8Array(nameBytes + 8);
    const index = this.#slots.push(slot) - 1;
    if (handle.read(header, { at: 0 }) !== header.length) return;
    const view = new DataView(header.buffer);
    const inUse = view.getUint32(nameBytes, true);
    if (inUse !== 1 || view.getUint32(nameBytes + 4, true) !== checksum(header.subarray(0, nameBytes + 4)))
      return;
    const end = header.indexOf(0);
    const name = new TextDecoder().decode(header.subarray(0, end));
    if (end <= 0 || this.#byName.has(name)) return;
    slot.name = name;
    this.#byName.set(name, index);
  }

  #label(slot: Slot, name: string | null): void {
    const header = new Uint8Array(nameBytes + 8);
    if (name !== null) {
      const bytes = new TextEncoder().encode(name);
      if (bytes.length >= nameBytes) throw new SynclineError("too_large", "a file's name is too long");
      header.set(bytes);
      const view = new DataView(header.buffer);
      view.setUint32(nameBytes, 1, true);
      view.setUint32(nameBytes + 4, checksum(header.subarray(0, nameBytes + 4)), true);
    }
    slot.handle.write(header, { at: 0 });
    slot.handle.truncate(headerBytes);
    slot.handle.flush();
    slot.name = name;
  }

  open(name: string | null, create: boolean): number {
    const found = name === null ? undefined : this.#byName.get(name);
    if (found !== undefined) return found;
    if (!create) return -1;
    const free = this.#slots.findIndex((slot) => slot.name === null);
    if (free < 0) return -1;
    const given = name ?? `temporary-${free}`;
    this.#label(this.#slots[free]!, given);
    this.#byName.set(given, free);
    return free;
  }

  close(file: number): void {
    const name = this.#slots[file]!.name;
    if (name?.startsWith("temporary-")) this.delete(name);
  }

  read(file: number, out: Uint8Array, offset: number): number {
    return this.#slots[file]!.handle.read(out, { at: headerBytes + offset });
  }

  write(file: number, data: Uint8Array, offset: number): number {
    return this.#slots[file]!.handle.write(data, { at: headerBytes + offset });
  }

  truncate(file: number, size: number): void {
    this.#slots[file]!.handle.truncate(headerBytes + size);
  }

  sync(file: number): void {
    this.#slots[file]!.handle.flush();
  }

  size(file: number): number {
    return Math.max(0, this.#slots[file]!.handle.getSize() - headerBytes);
  }

  delete(name: string): void {
    const index = this.#byName.get(name);
    if (index === undefined) return;
    this.#byName.delete(name);
    this.#label(this.#slots[index]!, null);
  }

  exists(name: string): boolean {
    return this.#byName.has(name);
  }

  dispose(): void {
    for (const { handle } of this.#slots) handle.close();
    this.#slots.length = 0;
    this.#byName.clear();
  }
}
