// Brings a database to the schema that the application describes. Only ever adds: a column that is
// gone from the description stays in the table, where older versions of the page may still need it.
import type { Engine } from "./wasm.js";
import type { Schema, TableSchema } from "./types.js";
import { SynclineError } from "./values.js";

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function tableSchema(given: TableSchema | Record<string, string>): TableSchema {
  return typeof given.columns === "object" ? (given as TableSchema) : { columns: given as Record<string, string> };
}

function rules(table: TableSchema): string[] {
  if (table.merge === undefined) return [];
  return Array.isArray(table.merge) ? table.merge : [table.merge];
}

function createSql(name: string, table: TableSchema): string {
  const columns = Object.entries(table.columns).map(([column, type]) => `${quote(column)} ${type}`);
  if (columns.length === 0) {
    throw new SynclineError("invalid_argument", `table ${name} needs columns, such as {id: "TEXT PRIMARY KEY"}`);
  }
  return `CREATE TABLE ${quote(name)}(${columns.join(", ")})`;
}

function additions(engine: Engine, name: string, table: TableSchema): string[] {
  const { values } = engine.query("SELECT name FROM pragma_table_info(?1)", [name]);
  if (values.length === 0) return [createSql(name, table)];
  const there = new Set(values.map(([column]) => String(column).toLowerCase()));
  return Object.entries(table.columns)
    .filter(([column]) => !there.has(column.toLowerCase()))
    .map(([column, type]) => `ALTER TABLE ${quote(name)} ADD COLUMN ${quote(column)} ${type}`);
}

export function applySchema(engine: Engine, schema: Schema): void {
  if (typeof schema === "string") {
    engine.script(schema);
    return;
  }
  const tables = Object.entries(schema).filter(([, given]) => given !== "collection");
  const sql = tables.flatMap(([name, given]) => additions(engine, name, tableSchema(given as TableSchema)));
  if (sql.length > 0) {
    engine.script("SELECT syncline_alter_begin()");
    try {
      for (const statement of sql) engine.script(statement);
      engine.script("SELECT syncline_alter_commit()");
    } catch (error) {
      if (engine.inTransaction()) engine.script("ROLLBACK");
      throw error;
    }
  }
  for (const [name, given] of Object.entries(schema)) {
    if (given === "collection") {
      engine.query("SELECT syncline_collection(?1)", [name]);
      continue;
    }
    const table = tableSchema(given);
    if (table.sync === false) continue;
    const all = [name, ...rules(table)];
    const { values } = engine.query(`SELECT syncline_track(${all.map((_, i) => `?${i + 1}`).join(", ")})`, all);
    const warning = values[0]?.[0];
    if (typeof warning === "string") console.warn(`syncline: ${warning}`);
  }
}
