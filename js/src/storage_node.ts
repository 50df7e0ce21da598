// Files for Node. SQLite's own locks need shared memory that a WebAssembly module does not have, so a
// lock file beside the database keeps a second process away.
import fs from "node:fs";
import { SynclineError } from "./values.js";
import type { Storage } from "./storage.js";

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

export class FileStorage implements Storage {
  readonly kind = "file" as const;
  readonly #paths = new Map<number, string | null>();

  /** `path` is the database's; throws when another process has it open. */
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    this.#lock();
  }

  get #lockPath(): string {
    return `${this.#path}-lock`;
  }

  #lock(): void {
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        fs.writeFileSync(this.#lockPath, String(process.pid), { flag: "wx" });
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
        const holder = Number(fs.readFileSync(this.#lockPath, "utf8"));
        if (Number.isInteger(holder) && holder > 0 && isAlive(holder)) {
          throw new SynclineError("busy", `${this.#path} is open in process ${holder}`, true);
        }
        fs.rmSync(this.#lockPath, { force: true });
      }
    }
    throw new SynclineError("busy", `${this.#path} is being opened by another process`, true);
  }

  open(name: string | null, create: boolean): number {
    const path = name ?? `${this.#path}-temporary-${process.pid}-${this.#paths.size}`;
    const flags = fs.constants.O_RDWR | (create ? fs.constants.O_CREAT : 0);
    const file = fs.openSync(path, flags, 0o644);
    this.#paths.set(file, name === null ? path : null);
    return file;
  }

  close(file: number): void {
    fs.closeSync(file);
    const temporary = this.#paths.get(file);
    this.#paths.delete(file);
    if (temporary) fs.rmSync(temporary, { force: true });
  }

  read(file: number, out: Uint8Array, offset: number): number {
    let done = 0;
    while (done < out.length) {
      const got = fs.readSync(file, out, done, out.length - done, offset + done);
      if (got === 0) break;
      done += got;
    }
    return done;
  }

  write(file: number, data: Uint8Array, offset: number): number {
    let done = 0;
    while (done < data.length) {
      done += fs.writeSync(file, data, done, data.length - done, offset + done);
    }
    return done;
  }

  truncate(file: number, size: number): void {
    fs.ftruncateSync(file, size);
  }

  sync(file: number): void {
    fs.fdatasyncSync(file);
  }

  size(file: number): number {
    return fs.fstatSync(file).size;
  }

  delete(name: string): void {
    fs.rmSync(name, { force: true });
  }

  exists(name: string): boolean {
    return fs.existsSync(name);
  }

  dispose(): void {
    fs.rmSync(this.#lockPath, { force: true });
  }
}
