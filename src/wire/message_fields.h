#pragma once

#include "wire/limits.h"
#include "wire/message.h"

namespace syncline {

// The fields of each message in the order in which they travel, told once: encoder, decoder and the
// test of docs/protocol.md all walk these lists. A visitor has one call operator a kind of field:
// (name, value) for fixed sizes, (name, value, max) for what must be bounded.

template <typename V>
void fields(V& v, auto& m, std::type_identity<Hello>) {
  v("protocol", m.protocol);
  v("workspace", m.workspace, limits::workspace_name_bytes_max);
  v("replica", m.replica);
  v("epoch", m.epoch);
  v("epochs_before", m.epochs_before, limits::epochs_max);
  v("last_sequence", m.last_sequence);
  v("acknowledged", m.acknowledged);
  v("acknowledged_time", m.acknowledged_time);
  v("schema_version", m.schema_version);
  v("fingerprint", m.fingerprint);
  v("schema", m.schema, limits::schema_bytes_max);
  v("lineage", m.lineage);
  v("cursor", m.cursor);
  v("catch_up", m.catch_up, CatchUp::bequest);
  v("tables", m.tables, limits::subscribed_tables_max);
  v("token", m.token, limits::token_bytes_max);
  v("receipt", m.receipt);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<Welcome>) {
  v("protocol", m.protocol);
  v("lineage", m.lineage);
  v("head", m.head);
  v("resume_after", m.resume_after);
  v("known_sequence", m.known_sequence);
  v("known_time", m.known_time);
  v("server_time_ms", m.server_time_ms);
  v("frame_bytes_max", m.frame_bytes_max);
  v("row_bytes_max", m.row_bytes_max);
  v("change_bytes_max", m.change_bytes_max);
  v("heartbeat_ms", m.heartbeat_ms);
  v("features", m.features);
  v("may_write", m.may_write);
  v("receipt", m.receipt);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<KnownChange>) {
  v("time", m.time);
  v("hash", m.hash);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<Refused>) {
  v("reason", m.reason, Refusal::cannot_store);
  v("message", m.message, limits::text_bytes_max);
  v("advice", m.advice, limits::text_bytes_max);
  v("server_time_ms", m.server_time_ms);
  v("protocol", m.protocol);
  v("known_sequence", m.known_sequence);
  v("known", m.known, limits::known_changes_max);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<PushPart>) {
  v("part", m.part, limits::part_bytes_max);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<Ack>) {
  v("through", m.through);
  v("receipt", m.receipt);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<Rejected>) {
  v("sequence", m.sequence);
  v("code", m.code, limits::text_bytes_max);
  v("message", m.message, limits::text_bytes_max);
  v("states", m.states, limits::part_bytes_max);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<PullPart>) {
  v("version", m.version);
  v("part", m.part, limits::part_bytes_max);
  v("receipt", m.receipt);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<PullThrough>) {
  v("version", m.version);
  v("receipt", m.receipt);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<Applied>) {
  v("version", m.version);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<SnapshotRequest>) {
  v("token", m.token, limits::page_token_bytes_max);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<SnapshotBegin>) {
  v("version", m.version);
  v("rows", m.rows);
  v("bytes", m.bytes);
  v("rows_before", m.rows_before);
  v("bytes_before", m.bytes_before);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<SnapshotPage>) {
  v("token", m.token, limits::page_token_bytes_max);
  v("rows", m.rows);
  v("bytes", m.bytes);
  v("states", m.states, limits::part_bytes_max);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<SnapshotEnd>) {
  v("version", m.version);
  v("rows", m.rows);
  v("bytes", m.bytes);
  v("receipt", m.receipt);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<RescanRequest>) {
  v("table", m.table, limits::name_bytes_max);
  v("after", m.after, limits::key_bytes_max);
  v("through", m.through, limits::key_bytes_max);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<RangeDigest>) {
  v("through", m.through, limits::key_bytes_max);
  v("rows", m.rows);
  v("digest", m.digest);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<RangeDigests>) {
  v("table", m.table, limits::name_bytes_max);
  v("after", m.after, limits::key_bytes_max);
  v("ranges", m.ranges, limits::ranges_max);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<RangeRequest>) {
  v("table", m.table, limits::name_bytes_max);
  v("after", m.after, limits::key_bytes_max);
  v("through", m.through, limits::key_bytes_max);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<RangeRows>) {
  v("table", m.table, limits::name_bytes_max);
  v("after", m.after, limits::key_bytes_max);
  v("through", m.through, limits::key_bytes_max);
  v("states", m.states, limits::part_bytes_max);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<Heartbeat>) {
  v("head", m.head);
  v("time_ms", m.time_ms);
  v("digest", m.digest);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<Presence>) {
  v("replica", m.replica);
  v("key", m.key, limits::presence_key_bytes_max);
  v("value", m.value, limits::presence_value_bytes_max);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<Subscribe>) {
  v("tables", m.tables, limits::subscribed_tables_max);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<TokenRefresh>) {
  v("token", m.token, limits::token_bytes_max);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<Bye>) {
  v("reason", m.reason, Farewell::too_slow);
  v("message", m.message, limits::text_bytes_max);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<PeerHello>) {
  v("protocol", m.protocol);
  v("workspace", m.workspace, limits::workspace_name_bytes_max);
  v("replica", m.replica);
  v("schema_version", m.schema_version);
  v("schema", m.schema, limits::schema_bytes_max);
  v("time_ms", m.time_ms);
  v("token", m.token, limits::token_bytes_max);
  v("seen", m.seen, limits::control_frame_bytes_max);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<PeerPart>) {
  v("part", m.part, limits::part_bytes_max);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<PeerSeen>) {
  v("seen", m.seen, limits::control_frame_bytes_max);
  v("digest", m.digest);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<RelayPart>) {
  v("part", m.part, limits::part_bytes_max);
}

template <typename V>
void fields(V& v, auto& m, std::type_identity<RelayAck>) {
  v("replica", m.replica);
  v("through", m.through);
  v("refused", m.refused);
}

}  // namespace syncline
