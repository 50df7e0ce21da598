#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/shared_bytes.h"
#include "wire/message.h"

namespace syncline {

// What a session may ask of its host. The host performs effects in the order in which they come and
// gives answers, where there are any, back to the session whenever it has them. A host that cannot
// perform one tells the session so with on_host_failure().

namespace effect {

// --- Both ends ---
struct Send {
  ByteVector frame;
};
struct HangUp {
  std::string reason;
};
// Replaces the wish before it.
struct WakeAt {
  Instant at;
};

// --- Replica ---
struct Dial {};
// What the file says of the replica, which is all that a hello may say. Answer: on_facts().
struct LoadFacts {};
// Own changes after `after`, whole and in order, at least one if there is any; about `bytes_max`.
// Answer: on_outbox().
struct LoadOutbox {
  ChangeSequence after;
  std::size_t bytes_max = 0;
};
// The server has these; they leave the outbox but are kept for a week.
struct Acknowledge {
  ChangeSequence through;
};
// The change leaves the rows, which become the server's states under what is still unsent. Answer:
// on_local_change() with the digest of what is left.
struct RejectChange {
  Rejected rejected;
};
// This device may only read: every own change that is not acknowledged is kept as rejected and
// leaves the outbox. Answer: on_set_aside().
struct SetAside {};
// In one transaction: merges whole changes, in order, and saves the cursor. Answer: on_applied().
struct ApplyChanges {
  std::vector<ByteVector> parts;
  ServerVersion cursor;
};
// A snapshot begins or goes on; notifications are suppressed until it ends.
struct BeginSnapshot {
  SnapshotBegin begin;
};
// In one transaction: merges the page's states and saves its token. Answer: on_page_applied().
struct ApplyPage {
  SnapshotPage page;
};
// Forgets the token and saves the cursor. Answer: on_applied().
struct FinishSnapshot {
  ServerVersion cursor;
};
// Remembered in the database until FinishRescan: ReplicaFacts::wants_rescan.
struct BeginRescan {};
// Which of these ranges differ from the replica's own rows? With an empty table the ranges are
// tables, and tables that only the replica has differ too. Answer: on_compared().
struct CompareRanges {
  RangeDigests digests;
};
// In one transaction: the rows in (after, through] become exactly these states, and what the
// server has not acknowledged is merged on top. Nothing is logged for the rows that go. After a
// change of lineage nothing goes: what the server lacks stays, and is relayed to it. Answer:
// on_adopted().
struct AdoptRange {
  RangeRows rows;
};
// Answer: on_applied().
struct FinishRescan {
  ServerVersion cursor;
};
// The rows that a snapshot or a rescan brought one by one are whole transactions again:
// ReplicaFacts::in_pieces is no more.
struct NoteWhole {};
// Saves, in one transaction, what a welcome settled. `acknowledged` may be lower than before: a
// restored server has forgotten changes, and they become unsent again.
struct SaveWelcome {
  LineageId lineage;
  EpochId epoch;
  ServerVersion cursor;
  ChangeSequence acknowledged;
  std::uint64_t acknowledged_time = 0;  // of that change's stamp; zero for none
  bool rescans = false;                 // rows are compared next
  bool may_write = true;
};
// Own changes after this one are unsent again: a copy tells them once more under the name that it
// is about to give up, since this server lacks some of what was acknowledged.
struct Unacknowledge {
  ChangeSequence through;
};
// To be stored in the transaction that the next effect makes: with what it speaks for.
struct KeepReceipt {
  Receipt receipt;
};
struct CorrectClock {
  std::int64_t offset_ms = 0;
};
// Gives own changes after this one new stamps. Answer: on_facts().
struct Restamp {
  ChangeSequence after;
};
// This file is a copy: it takes a new replica id and epoch. Own changes after `acknowledged` that
// `known` has at their place are the original's and on the server; from the first that differs on
// they become the new replica's, numbered from 1. `acknowledged` may be lower than the
// replica's own: a restored server has forgotten changes. Answer: on_facts().
struct Reidentify {
  ChangeSequence acknowledged;
  std::vector<KnownChange> known;
};
// Exports unsent changes before something that could cost them (P5).
struct Salvage {
  std::string reason;
};
struct ShowPresence {
  Presence presence;
};
// Changes that were learned from peers and that no server is known to have, whole, each replica's
// in order, and rows that the server of another lineage lacks, each part of them under a name of
// its own; about `bytes_max`, at least one if there is any. The first call of a connection begins
// with the first of them, others go on. Answer: on_relays().
struct LoadRelays {
  bool first = false;
  std::size_t bytes_max = 0;
};
// The server has these of a replica, or will not take them from us: they are not relayed again.
struct FinishRelay {
  ReplicaId replica;
  ChangeSequence through;
  // The change that this answers. Beyond `through` it is one that the server cannot take now.
  ChangeSequence told;
  // It will not take it from us at all.
  bool refused = false;
};

// --- Server ---
// A frame that goes to others, too.
struct SendShared {
  SharedBytes frame;
};
// Answer: on_authorised().
struct Authorise {
  std::string workspace;
  std::string token;
  ReplicaId replica;
};
// Answer: on_greeting().
struct Greet {
  Hello hello;
};
// Admits one whole change durably. Answers come in order: on_appended().
struct Append {
  std::vector<ByteVector> parts;
  bool relayed = false;  // another replica's, learned from a peer
};
// Answer: on_log().
struct ReadLog {
  ServerVersion after;
  // Parts of the version behind `after` that were read already.
  std::uint64_t begun = 0;
  std::size_t bytes_max = 0;
};
// Answer: on_snapshot_begin() when `first`, then on_snapshot_page() or on_snapshot_end().
struct ReadSnapshot {
  ByteVector token;
  bool first = false;
};
// Answer: on_message_ready().
struct ReadDigests {
  RescanRequest request;
};
struct ReadRange {
  RangeRequest request;
};
// Answer: on_head().
struct ReadHead {};
struct SaveCursor {
  ServerVersion version;
};
struct Broadcast {
  Presence presence;
};
struct ChangeSubscription {
  std::vector<std::string> tables;
};

}  // namespace effect

using ClientEffect =
    std::variant<effect::Send, effect::HangUp, effect::WakeAt, effect::Dial, effect::LoadFacts,
                 effect::LoadOutbox, effect::Acknowledge, effect::RejectChange,
                 effect::ApplyChanges, effect::BeginSnapshot, effect::ApplyPage,
                 effect::FinishSnapshot, effect::BeginRescan, effect::CompareRanges,
                 effect::AdoptRange, effect::FinishRescan, effect::NoteWhole, effect::SaveWelcome,
                 effect::Unacknowledge, effect::KeepReceipt, effect::CorrectClock, effect::Restamp,
                 effect::Reidentify, effect::Salvage, effect::ShowPresence, effect::LoadRelays,
                 effect::FinishRelay, effect::SetAside>;

using ServerEffect =
    std::variant<effect::Send, effect::SendShared, effect::HangUp, effect::WakeAt,
                 effect::Authorise, effect::Greet, effect::Append, effect::ReadLog,
                 effect::ReadSnapshot, effect::ReadDigests, effect::ReadRange, effect::ReadHead,
                 effect::SaveCursor, effect::Broadcast, effect::ChangeSubscription>;

}  // namespace syncline
