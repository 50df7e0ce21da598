// Values as they cross between JavaScript and the engine; src/bindings/wasm/packing.h has the
// layout. Integers beyond 2^53 come as bigint, all others as number.

export type SqlValue = null | number | bigint | string | Uint8Array;
/** What may be given as a parameter: `true` and `false` are stored as 1 and 0. */
export type SqlInput = SqlValue | boolean | undefined;
/** Parameters in their order, or by name: `{ id: 1 }` for `:id`, `@id` or `$id`. */
export type SqlParameters = readonly SqlInput[] | Readonly<Record<string, SqlInput>>;
export type Row = Record<string, SqlValue>;

export interface Rows {
  columns: string[];
  values: SqlValue[][];
}

/** What one statement did. */
export interface Done extends Rows {
  changes: number;
  lastInsertRowid: number | bigint;
}

/** A failure with a code to match and a sentence to read. */
export class SynclineError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly retryable = false,
  ) {
    super(message);
    this.name = "SynclineError";
  }
}

// A parameter's name, or what may look like one and is not: quoted text, names and comments.
const parameter =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|\/\*[^]*?\*\/|([:@$][\p{L}\p{N}_$]+)|(\?)/gu;

/** The values in the order in which SQLite numbers their names. */
export function inOrder(sql: string, values: SqlParameters): readonly SqlInput[] {
  if (Array.isArray(values)) return values as readonly SqlInput[];
  if (typeof values !== "object" || values === null) {
    throw new SynclineError("invalid_argument", "parameters are an array, or an object with their names");
  }
  const byName = values as Readonly<Record<string, SqlInput>>;
  const names = new Set<string>();
  for (const [, name, mark] of sql.matchAll(parameter)) {
    if (mark) throw new SynclineError("invalid_argument", "a statement with `?` takes an array of values");
    if (name) names.add(name);
  }
  return [...names].map((name) => {
    const key = [name.slice(1), name].find((one) => Object.hasOwn(byName, one));
    if (key === undefined) throw new SynclineError("invalid_argument", `the parameter ${name} has no value`);
    return byName[key];
  });
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const tag = { null: 0, integer: 1, real: 2, text: 3, blob: 4 };
const integerMin = -(2n ** 63n);
const integerMax = 2n ** 63n - 1n;

/** Bytes that grow as they are written. */
export class Packer {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #size = 0;

  #room(more: number): void {
    if (this.#size + more <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#size + more));
    larger.set(this.#bytes.subarray(0, this.#size));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }

  clear(): this {
    this.#size = 0;
    return this;
  }

  /** Lives until the next write. */
  done(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }

  blob(data: Uint8Array): void {
    this.#room(4 + data.length);
    this.#view.setUint32(this.#size, data.length, true);
    this.#bytes.set(data, this.#size + 4);
    this.#size += 4 + data.length;
  }

  #text(text: string): void {
    // UTF-8 takes at most three bytes for each of JavaScript's units.
    this.#room(4 + text.length * 3);
    const { written } = encoder.encodeInto(text, this.#bytes.subarray(this.#size + 4));
    this.#view.setUint32(this.#size, written, true);
    this.#size += 4 + written;
  }

  #tagged(kind: number): void {
    this.#room(9);
    this.#bytes[this.#size++] = kind;
  }

  #integer(value: bigint): void {
    this.#tagged(tag.integer);
    this.#view.setBigInt64(this.#size, value, true);
    this.#size += 8;
  }

  value(value: SqlInput): void {
    if (value === null || value === undefined) return this.#tagged(tag.null);
    switch (typeof value) {
      case "number":
        // -0 is a real number only.
        if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
          this.#tagged(tag.integer);
          this.#view.setInt32(this.#size, value | 0, true);
          this.#view.setInt32(this.#size + 4, Math.floor(value / 4294967296), true);
          this.#size += 8;
        } else {
          this.#tagged(tag.real);
          this.#view.setFloat64(this.#size, value, true);
          this.#size += 8;
        }
        return;
      case "bigint":
        if (value < integerMin || value > integerMax) {
          throw new SynclineError("invalid_argument", "SQLite's integers have 64 bits");
        }
        return this.#integer(value);
      case "boolean":
        return this.#integer(value ? 1n : 0n);
      case "string":
        this.#tagged(tag.text);
        return this.#text(value);
      default:
        if (value instanceof Uint8Array) {
          this.#tagged(tag.blob);
          return this.blob(value);
        }
        throw new SynclineError(
          "invalid_argument",
          "a value is null, a number, a bigint, a boolean, a string or a Uint8Array",
        );
    }
  }

  values(values: readonly SqlInput[]): Uint8Array {
    this.clear();
    for (const value of values) this.value(value);
    return this.done();
  }
}

/** Reads what the engine packed. */
export class Unpacker {
  readonly #view: DataView;
  #at = 0;

  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  u32(): number {
    const value = this.#view.getUint32(this.#at, true);
    this.#at += 4;
    return value;
  }

  f64(): number {
    const value = this.#view.getFloat64(this.#at, true);
    this.#at += 8;
    return value;
  }

  integer(): number | bigint {
    const high = this.#view.getInt32(this.#at + 4, true);
    const low = this.#view.getUint32(this.#at, true);
    this.#at += 8;
    if (high >= -2097152 && high < 2097152) {
      const value = high * 4294967296 + low;
      if (Number.isSafeInteger(value)) return value;
    }
    return (BigInt(high) << 32n) | BigInt(low);
  }

  /** Borrowed: copy it to keep it. */
  blob(): Uint8Array {
    const size = this.u32();
    const data = this.#bytes.subarray(this.#at, this.#at + size);
    this.#at += size;
    return data;
  }

  u8(): number {
    return this.#bytes[this.#at++]!;
  }

  text(): string {
    return decoder.decode(this.blob());
  }

  value(): SqlValue {
    switch (this.#bytes[this.#at++]) {
      case tag.null:
        return null;
      case tag.integer:
        return this.integer();
      case tag.real:
        return this.f64();
      case tag.text:
        return this.text();
      default:
        return this.blob().slice();
    }
  }

  rows(): Rows {
    const columns: string[] = [];
    const count = this.u32();
    for (let i = 0; i < count; i++) columns.push(this.text());
    const values: SqlValue[][] = [];
    while (this.#bytes[this.#at++] === 1) {
      const row = new Array<SqlValue>(count);
      for (let i = 0; i < count; i++) row[i] = this.value();
      values.push(row);
    }
    return { columns, values };
  }

  done(): Done {
    const rows = this.rows();
    return { ...rows, changes: this.f64(), lastInsertRowid: this.integer() };
  }
}

/** Rows as objects, by column name. */
export function objects<T = Row>(rows: Rows): T[] {
  const { columns, values } = rows;
  return values.map((row) => {
    const out: Row = {};
    for (let i = 0; i < columns.length; i++) out[columns[i]!] = row[i]!;
    return out as T;
  });
}
