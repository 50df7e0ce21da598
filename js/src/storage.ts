// Where SQLite's files live. The engine asks synchronously, so whatever can wait (listing a folder,
// opening handles) is done before it starts.

export type StorageKind = "opfs" | "file" | "memory";

/** Files by number, as the engine asks for them. Methods may throw; wasm.ts turns that into I/O errors. */
export interface Storage {
  readonly kind: StorageKind;
  /** A null name is a temporary file. Negative when the file is not there and may not be made. */
  open(name: string | null, create: boolean): number;
  close(file: number): void;
  /** Returns how many bytes came. */
  read(file: number, out: Uint8Array, offset: number): number;
  write(file: number, data: Uint8Array, offset: number): number;
  truncate(file: number, size: number): void;
  sync(file: number): void;
  size(file: number): number;
  delete(name: string): void;
  exists(name: string): boolean;
  /** Lets go of everything; the files stay. */
  dispose(): void;
}

interface MemoryFile {
  bytes: Uint8Array;
  size: number;
}

/** Gone when the page is. */
export class MemoryStorage implements Storage {
  readonly kind = "memory" as const;
  readonly #files = new Map<string, MemoryFile>();
  readonly #opened = new Map<number, MemoryFile>();
  #next = 1;

  open(name: string | null, create: boolean): number {
    let file = name === null ? undefined : this.#files.get(name);
    if (!file) {
      if (!create && name !== null) return -1;
      file = { bytes: new Uint8Array(4096), size: 0 };
      if (name !== null) this.#files.set(name, file);
    }
    this.#opened.set(this.#next, file);
    return this.#next++;
  }

  close(file: number): void {
    this.#opened.delete(file);
  }

  read(file: number, out: Uint8Array, offset: number): number {
    const { bytes, size } = this.#opened.get(file)!;
    const count = Math.max(0, Math.min(out.length, size - offset));
    out.set(bytes.subarray(offset, offset + count));
    return count;
  }

  write(file: number, data: Uint8Array, offset: number): number {
    const kept = this.#opened.get(file)!;
    const end = offset + data.length;
    if (end > kept.bytes.length) {
      const larger = new Uint8Array(Math.max(end, kept.bytes.length * 2));
      larger.set(kept.bytes.subarray(0, kept.size));
      kept.bytes = larger;
    }
    kept.bytes.set(data, offset);
    kept.size = Math.max(kept.size, end);
    return data.length;
  }

  truncate(file: number, size: number): void {
    const kept = this.#opened.get(file)!;
    if (size < kept.size) kept.bytes.fill(0, size, kept.size);
    kept.size = size;
  }

  sync(): void {}

  size(file: number): number {
    return this.#opened.get(file)!.size;
  }

  delete(name: string): void {
    this.#files.delete(name);
  }

  exists(name: string): boolean {
    return this.#files.has(name);
  }

  dispose(): void {
    this.#opened.clear();
  }
}

/** The whole of a file; nothing when it is not there. */
export function readWhole(storage: Storage, name: string): Uint8Array | undefined {
  if (!storage.exists(name)) return undefined;
  const file = storage.open(name, false);
  const out = new Uint8Array(storage.size(file));
  storage.read(file, out, 0);
  storage.close(file);
  return out;
}

export function writeWhole(storage: Storage, name: string, bytes: Uint8Array): void {
  const file = storage.open(name, true);
  storage.truncate(file, 0);
  storage.write(file, bytes, 0);
  storage.sync(file);
  storage.close(file);
}
