export { Database, onOpened, opened } from "./database.js";
export type {
  Choice,
  Conflict,
  Held,
  PresenceEntry,
  QueuedRequest,
  Rejected,
  Sql,
} from "./database.js";
export type { DocOptions, LiveDoc, Place } from "./doc.js";
export { LiveQuery } from "./live.js";
export { Store, type Readable } from "./store.js";
export { Collection, Table, type Document, type Query } from "./table.js";
export { canReach, type AutoSyncOptions } from "./auto_sync.js";
export { WebSocketTransport } from "./transport.js";
export { SynclineError, type Row, type SqlInput, type SqlParameters, type SqlValue } from "./values.js";
export type { OpenOptions } from "./open.js";
export type {
  Connection,
  Progress,
  RequestOutcome,
  Schema,
  Status,
  StatusWord,
  SyncEvent,
  TableSchema,
  Transport,
  TransportEvents,
} from "./types.js";
