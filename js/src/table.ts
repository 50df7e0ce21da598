import type { Database, Sql } from "./database.js";
import type { LiveQuery } from "./live.js";
import { quote } from "./schema.js";
import { SynclineError, type Row, type SqlInput } from "./values.js";

type Key = string | number | bigint;

export interface Query {
  /** Columns that must equal; null finds NULL. */
  where?: Record<string, SqlInput>;
  /** "column" or "column desc" */
  orderBy?: string;
  limit?: number;
}

function orderSql(orderBy: string): string {
  const match = /^\s*(.+?)(?:\s+(asc|desc))?\s*$/i.exec(orderBy);
  if (!match) throw new SynclineError("invalid_argument", 'orderBy is "column" or "column desc"');
  return ` ORDER BY ${quote(match[1]!)}${match[2] ? ` ${match[2]}` : ""}`;
}

/** A table by row and column, for whoever would rather not write SQL. */
export class Table<T extends object = Row> {
  readonly #db: Sql;
  readonly #key: string;

  constructor(
    db: Sql,
    readonly name: string,
    key = "id",
  ) {
    this.#db = db;
    this.#key = key;
  }

  async get(key: Key): Promise<T | undefined> {
    return this.#db.get<T>(`SELECT * FROM ${quote(this.name)} WHERE ${quote(this.#key)} = ?1`, [key]);
  }

  /** Inserts the row, or sets the columns that are given when it is there. */
  async put(row: Partial<T>): Promise<void> {
    const columns = Object.keys(row);
    const values = Object.values(row) as SqlInput[];
    const rest = columns.filter((column) => column !== this.#key);
    const action = rest.length
      ? `UPDATE SET ${rest.map((column) => `${quote(column)} = excluded.${quote(column)}`).join(", ")}`
      : "NOTHING";
    await this.#db.exec(
      `INSERT INTO ${quote(this.name)}(${columns.map(quote).join(", ")})` +
        ` VALUES(${columns.map((_, i) => `?${i + 1}`).join(", ")})` +
        ` ON CONFLICT(${quote(this.#key)}) DO ${action}`,
      values,
    );
  }

  /** Sets columns of a row; false when there is no such row. */
  async update(key: Key, columns: Partial<T>): Promise<boolean> {
    const names = Object.keys(columns);
    if (names.length === 0) return (await this.get(key)) !== undefined;
    const { changes } = await this.#db.exec(
      `UPDATE ${quote(this.name)} SET ${names.map((name, i) => `${quote(name)} = ?${i + 2}`).join(", ")}` +
        ` WHERE ${quote(this.#key)} = ?1`,
      [key, ...(Object.values(columns) as SqlInput[])],
    );
    return changes > 0;
  }

  async delete(key: Key): Promise<boolean> {
    const { changes } = await this.#db.exec(`DELETE FROM ${quote(this.name)} WHERE ${quote(this.#key)} = ?1`, [key]);
    return changes > 0;
  }

  async query(query: Query = {}): Promise<T[]> {
    return this.#db.query<T>(...this.#select(query));
  }

  /** The same, kept up to date. */
  live(query: Query = {}): LiveQuery<T> {
    return (this.#db as Database).live<T>(...this.#select(query));
  }

  #select({ where = {}, orderBy, limit }: Query): [string, SqlInput[]] {
    const values = Object.values(where);
    const terms = Object.keys(where).map((column, i) => `${quote(column)} IS ?${i + 1}`);
    let sql = `SELECT * FROM ${quote(this.name)}`;
    if (terms.length) sql += ` WHERE ${terms.join(" AND ")}`;
    if (orderBy) sql += orderSql(orderBy);
    if (limit !== undefined) sql += ` LIMIT ${Math.max(0, Math.floor(limit))}`;
    return [sql, values];
  }
}

export type Document = Record<string, unknown>;

/** JSON documents by id; concurrent edits merge field by field. */
export class Collection<T extends Document = Document> {
  readonly #db: Database;

  constructor(
    db: Database,
    readonly name: string,
  ) {
    this.#db = db;
  }

  async get(id: string): Promise<(T & { id: string }) | undefined> {
    const row = await this.#db.get<{ doc: string }>(`SELECT doc FROM ${quote(this.name)} WHERE id = ?1`, [id]);
    return row && { ...(JSON.parse(row.doc) as T), id };
  }

  /** Puts the whole document; gives it an id when it has none, and returns it. */
  async put(document: T & { id?: string }): Promise<string> {
    const { id = crypto.randomUUID(), ...doc } = document;
    await this.#db.exec(
      `INSERT INTO ${quote(this.name)}(id, doc) VALUES(?1, ?2) ON CONFLICT(id) DO UPDATE SET doc = excluded.doc`,
      [id, JSON.stringify(doc)],
    );
    return id;
  }

  /** Sets some fields; a field that is undefined goes. False when there is no such document. */
  async update(id: string, fields: Partial<T>): Promise<boolean> {
    return this.#db.transaction(async (tx) => {
      const row = await tx.get<{ doc: string }>(`SELECT doc FROM ${quote(this.name)} WHERE id = ?1`, [id]);
      if (!row) return false;
      const doc = { ...(JSON.parse(row.doc) as T), ...fields };
      await tx.exec(`UPDATE ${quote(this.name)} SET doc = ?2 WHERE id = ?1`, [id, JSON.stringify(doc)]);
      return true;
    });
  }

  async delete(id: string): Promise<boolean> {
    const { changes } = await this.#db.exec(`DELETE FROM ${quote(this.name)} WHERE id = ?1`, [id]);
    return changes > 0;
  }

  /** Documents whose fields equal. */
  async query(where: Record<string, SqlInput> = {}): Promise<(T & { id: string })[]> {
    const rows = await this.#db.query<{ id: string; doc: string }>(...this.#select(where));
    return rows.map(({ id, doc }) => ({ ...(JSON.parse(doc) as T), id }));
  }

  live(where: Record<string, SqlInput> = {}): LiveQuery<T & { id: string }> {
    const [sql, values] = this.#select(where);
    return this.#db.live<T & { id: string }>(sql, values, ({ id, doc }) => ({
      ...(JSON.parse(doc as string) as T),
      id: id as string,
    }));
  }

  #select(where: Record<string, SqlInput>): [string, SqlInput[]] {
    const fields = Object.keys(where);
    const terms = fields.map((_, i) => `doc ->> ?${2 * i + 1} IS ?${2 * i + 2}`);
    const values = fields.flatMap((field) => [`$.${JSON.stringify(field)}`, where[field]!]);
    return [
      `SELECT id, doc FROM ${quote(this.name)}${terms.length ? ` WHERE ${terms.join(" AND ")}` : ""} ORDER BY id`,
      values,
    ];
  }
}
