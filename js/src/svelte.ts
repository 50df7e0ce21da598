// For Svelte: everything that changes is a store already (`$db.status`, `db.live(...)`); these make
// queries follow values, and write a field back.
import type { Database, Row, SqlParameters } from "syncline";

export interface SvelteStore<T> {
  subscribe(told: (value: T) => void): () => void;
}

/** A query whose parameters are a store themselves, such as what is typed into a search field. */
export function query<T = Row>(db: Database, sql: string, values: SvelteStore<SqlParameters>): SvelteStore<T[]> {
  return {
    subscribe(told) {
      let stop: (() => void) | undefined;
      const stopValues = values.subscribe((now) => {
        stop?.();
        stop = db.live<T>(sql, now).subscribe(told);
      });
      return () => {
        stopValues();
        stop?.();
      };
    },
  };
}

/** One row by its key, to be bound: `$note.body = "..."` writes what changed. Undefined while there is none. */
export function row<T extends Row = Row>(
  db: Database,
  table: string,
  key: string | number,
): SvelteStore<T | undefined> & { set(row: T | undefined): Promise<void> } {
  const live = db.table<T>(table).live({ where: { id: key } });
  let now: T | undefined;
  return {
    subscribe: (told) =>
      live.subscribe(([found]) => {
        now = found && { ...found };
        told(found);
      }),
    async set(row) {
      if (!row) {
        await db.table<T>(table).delete(key);
        return;
      }
      const changed = Object.entries(row).filter(([column, value]) => value !== now?.[column]);
      if (changed.length > 0) await db.table<T>(table).update(key, Object.fromEntries(changed) as Partial<T>);
    },
  };
}
