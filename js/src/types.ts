import type { SqlParameters } from "./values.js";
import type { StorageKind } from "./storage.js";

/** The six words for where a replica stands; docs/browser.md says what each promises. */
export type StatusWord =
  | "disconnected"
  | "connecting"
  | "syncing"
  | "synced"
  | "stuck"
  | "incompatible";

export interface Progress {
  rows: number;
  rowsTotal: number;
  bytes: number;
  bytesTotal: number;
  bytesPerSecond: number;
  leftMs: number;
}

export interface Status {
  status: StatusWord;
  activity: "idle" | "pushing" | "pulling" | "bootstrap" | "rescan";
  /** What keeps it from going on, by name; "none" when nothing does. */
  cause: string;
  message: string;
  advice: string;
  pending: number;
  rejected: number;
  held: number;
  conflicts: number;
  progress: Progress | null;
  paused: boolean;
  replica: string;
  storage: StorageKind;
}

export const firstStatus: Status = {
  status: "disconnected",
  activity: "idle",
  cause: "none",
  message: "",
  advice: "",
  pending: 0,
  rejected: 0,
  held: 0,
  conflicts: 0,
  progress: null,
  paused: false,
  replica: "",
  storage: "memory",
};

/** A table of the schema: its columns as SQL, and how concurrent edits merge. */
export interface TableSchema {
  columns: Record<string, string>;
  /** "lww" (default), "row" or "manual", and "column=counter", "column=json" ... */
  merge?: string | string[];
  /** False keeps the table on this device. */
  sync?: boolean;
}

/**
 * Tables by name, with their columns as SQL; or SQL that may be run again and again
 * (`CREATE TABLE IF NOT EXISTS ...; SELECT syncline_track('...')`).
 */
export type Schema = string | Record<string, TableSchema | Record<string, string> | "collection">;

/** An event of the engine's, under its stable name. */
export interface SyncEvent {
  name: string;
  at: number;
  payload: Record<string, unknown>;
}

/** Carries frames to the server and back. The default is a WebSocket. */
export interface Transport {
  dial(url: string, events: TransportEvents): Connection;
}
export interface TransportEvents {
  open(): void;
  frame(frame: Uint8Array): void;
  closed(reason: string): void;
}
export interface Connection {
  send(frame: Uint8Array): void;
  close(): void;
}

/** What a core is opened with: plain data, so that it can be sent to a worker. */
export interface CoreConfig {
  name: string;
  schema?: Schema;
  url?: string;
  workspace?: string;
  token?: string;
  /** The page brings one as soon as it has it: nobody is asked for anything without. */
  bringsToken?: boolean;
  storage?: "auto" | "memory";
  /** A copy of another database, to begin with; ignored when this one exists. */
  from?: Uint8Array;
  /** The application brings its own transport: dialing is left to its page. */
  ownTransport?: boolean;
  paused?: boolean;
}

export interface Request {
  id: number;
  op: string;
  args: unknown[];
}

export type Reply =
  | { id: number; ok: true; value: unknown }
  | { id: number; ok: false; error: { code: string; message: string; retryable: boolean } };

/** What a core tells without being asked. */
export type News =
  | { news: "live"; subscription: string; rows: { columns: string[]; values: unknown[][] } }
  | { news: "live-failed"; subscription: string; error: { code: string; message: string } }
  | { news: "status"; status: Status }
  | { news: "events"; events: SyncEvent[] }
  | { news: "presence"; replica: string; key: string; value: unknown }
  | { news: "salvaged"; reason: string; file: Uint8Array }
  | { news: "token-wanted" }
  | { news: "request-done"; key: string; response: RequestOutcome }
  | { news: "leader"; leader: string; isOwn: boolean };

export interface RequestOutcome {
  ok: boolean;
  status: number;
  body: string;
  error?: string;
}

export type Statement = [sql: string, values?: SqlParameters];
