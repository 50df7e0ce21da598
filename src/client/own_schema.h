#pragma once

namespace syncline {

// Our tables in the application's file; docs/storage.md describes each. A change here is a new
// format number and a migration.
inline constexpr int own_schema_format = 2;

inline constexpr const char* own_schema_sql = R"sql(
CREATE TABLE IF NOT EXISTS syncline_meta(
  name TEXT PRIMARY KEY NOT NULL, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS syncline_replicas(
  id INTEGER PRIMARY KEY, replica BLOB NOT NULL UNIQUE, own INTEGER NOT NULL DEFAULT 0,
  seen BLOB NOT NULL DEFAULT x'');
CREATE TABLE IF NOT EXISTS syncline_tables(
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, rule TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS syncline_columns(
  tbl INTEGER NOT NULL, id INTEGER NOT NULL, name TEXT NOT NULL, rule TEXT NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(tbl, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS syncline_log(
  version INTEGER PRIMARY KEY, origin INTEGER NOT NULL, sequence INTEGER NOT NULL,
  time INTEGER NOT NULL, hlc INTEGER NOT NULL, own_sequence INTEGER NOT NULL,
  form INTEGER NOT NULL, body BLOB NOT NULL, replaced BLOB);
CREATE TABLE IF NOT EXISTS syncline_log_parts(
  version INTEGER NOT NULL, part INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY(version, part));
CREATE TABLE IF NOT EXISTS syncline_clocks(
  tbl INTEGER NOT NULL, chunk INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY(tbl, chunk)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS syncline_tombs(
  tbl INTEGER NOT NULL, key BLOB NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY(tbl, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS syncline_cells(
  tbl INTEGER NOT NULL, key BLOB NOT NULL, col TEXT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY(tbl, key, col)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS syncline_held_rows(
  id INTEGER PRIMARY KEY, tbl TEXT NOT NULL, key BLOB NOT NULL, reason TEXT NOT NULL,
  message TEXT NOT NULL, waits_for TEXT NOT NULL DEFAULT '', state BLOB NOT NULL,
  since INTEGER NOT NULL, UNIQUE(tbl, key));
CREATE TABLE IF NOT EXISTS syncline_rejected_changes(
  id INTEGER PRIMARY KEY, replica BLOB NOT NULL, sequence INTEGER NOT NULL,
  time INTEGER NOT NULL, code TEXT NOT NULL,
  message TEXT NOT NULL, change BLOB NOT NULL, at INTEGER NOT NULL,
  UNIQUE(replica, sequence));
CREATE TABLE IF NOT EXISTS syncline_conflict_rows(
  id TEXT PRIMARY KEY NOT NULL, tbl TEXT NOT NULL, key BLOB NOT NULL, col TEXT NOT NULL,
  base, winner, loser, winner_stamp TEXT NOT NULL, loser_stamp TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'open', resolution);
)sql";

}  // namespace syncline
