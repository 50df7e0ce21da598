// For React: hand in its own useSyncExternalStore, so that this file needs no React to be built.
//
//   import { useMemo, useSyncExternalStore } from "react";
//   import { hooks } from "syncline/react";
//   export const { useQuery, useStatus, useStore } = hooks({ useMemo, useSyncExternalStore });
import type { Database, LiveQuery, Progress, Readable, Row, SqlParameters, Status } from "syncline";

interface React {
  useMemo<T>(make: () => T, dependencies: readonly unknown[]): T;
  useSyncExternalStore<T>(
    subscribe: (changed: () => void) => () => void,
    snapshot: () => T,
    serverSnapshot?: () => T,
  ): T;
}

export interface Hooks {
  /** Any store: `db.status`, `db.presence`, a live query. */
  useStore<T>(store: Readable<T>): T;
  /** Rows that follow the database. */
  useQuery<T = Row>(db: Database, sql: string, values?: SqlParameters): T[];
  useStatus(db: Database): Status;
  useProgress(db: Database): Progress | null;
}

export function hooks(react: React): Hooks {
  function useStore<T>(store: Readable<T>): T {
    const subscribe = react.useMemo(() => (changed: () => void) => store.subscribe(changed), [store]);
    const snapshot = (): T => store.value;
    return react.useSyncExternalStore(subscribe, snapshot, snapshot);
  }
  return {
    useStore,
    useQuery<T = Row>(db: Database, sql: string, values: SqlParameters = []): T[] {
      const query = react.useMemo<LiveQuery<T>>(() => db.live<T>(sql, values), [db, sql, ...Object.entries(values).flat()]);
      return useStore(query);
    },
    useStatus: (db) => useStore(db.status),
    useProgress: (db) => useStore(db.progress),
  };
}
