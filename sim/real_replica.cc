#include "sim/real_replica.h"

#include "client/verify.h"

namespace syncline::sim {
namespace {

constexpr const char* tables[] = {"notes", "tags", "forbidden"};

}  // namespace

std::shared_ptr<ReplicaFile> RealReplica::make_file(std::size_t number, Random& random) {
  return std::make_shared<ReplicaFile>("sim-machine-" + std::to_string(number), random);
}

RealReplica::RealReplica(const Parts& parts, std::string workspace,
                         std::shared_ptr<ReplicaFile> file)
    : parts_(parts),
      vfs_("sim-replica-" + std::to_string(parts.number)),
      other_vfs_(vfs_ + "-other"),
      file_(std::move(file)),
      disk_(file_->disk()),
      workspace_(std::move(workspace)),
      main_(vfs_, *parts.clock, *parts.random, parts.has_ledger) {
  disk_.add_process(vfs_);
  disk_.add_process(other_vfs_);
  for (std::size_t i = 0; i < others; ++i) {
    desks_[i] = std::make_unique<Desk>(i == 0 ? vfs_ : other_vfs_, *parts.clock, *parts.random,
                                       parts.has_ledger);
  }
}

RealReplica::~RealReplica() { close_all(); }

bool RealReplica::failed(const Result<void>& done) {
  if (!done) {
    last_error_ = done.error().message();
  }
  return !done;
}

Result<void> RealReplica::prepare() {
  SL_TRY(main_.open(ReplicaFile::name));
  leadership_ = std::make_unique<Leadership>(main_.connection());
  host_ =
      std::make_unique<ReplicaHost>(ReplicaHost::Parts{&main_.engine(), parts_.clock, parts_.random,
                                                       this, nullptr, leadership_.get()},
                                    ClientOptions{});
  return {};
}

bool RealReplica::open(Instant now) {
  close();
  bury_dead();
  if (disk_.is_dead()) {
    disk_.restart();
  }
  disk_.start_anew(vfs_);
  if (failed(prepare()) || failed(host_->start(now, workspace_, "token"))) {
    close();
    return false;
  }
  return true;
}

void RealReplica::close() {
  host_.reset();
  leadership_.reset();
  close_beside(0);
  main_.close();
  wishes_.clear();
  work_waits_ = false;
  bury_dead();
}

// Connections of a process that died are gone; it may come again.
void RealReplica::bury_dead() {
  if (disk_.is_dead() || disk_.is_killed(other_vfs_)) {
    close_beside(1);
    disk_.start_anew(other_vfs_);
  }
}

void RealReplica::crash() {
  disk_.crash();
  close();
}

// The application has been told that this is done.
void RealReplica::answer(Desk& desk, const PeopleWrites& writes) {
  const Calm calm(disk_);
  const auto id = desk.engine().replica();
  const auto head = desk.engine().log_head();
  if (id && head) {
    file_->answer({*id, head->own_sequence});
  }
  for (const LedgerWrite& one : writes.ledger) {
    if (one.kind == LedgerWrite::Kind::pay) {
      file_->answer_payment(one.number);
    }
  }
}

bool RealReplica::write(const PeopleWrites& writes) {
  if (!host_ || failed(main_.write(writes, file_->columns()))) {
    return false;
  }
  answer(main_, writes);
  return true;
}

// --- Others on the file
// ---------------------------------------------------------------------------

bool RealReplica::write_beside(std::size_t which, const PeopleWrites& writes, bool holds) {
  Desk& desk = *desks_[which];
  if (disk_.is_dead() || is_dead() || (which == 0 && !host_)) {
    return false;
  }
  bury_dead();
  const Desk* const before = std::exchange(acting_, &desk);
  const auto run = [&]() -> Result<void> {
    if (!desk.is_open()) {
      auto opened = desk.open(ReplicaFile::name);
      if (!opened) {
        desk.close();
        return opened;
      }
    }
    if (desk.holds()) {
      return Error(ErrorCode::busy, "a transaction is open");
    }
    return holds ? desk.begin(writes, file_->columns()) : desk.write(writes, file_->columns());
  };
  const auto done = run();
  acting_ = before;
  if (failed(done)) {
    return false;
  }
  if (!holds) {
    answer(desk, writes);
  }
  return true;
}

bool RealReplica::finish_beside(std::size_t which) {
  Desk& desk = *desks_[which];
  if (!desk.holds() || disk_.is_dead() || disk_.is_killed(desk.process())) {
    return false;
  }
  const Desk* const before = std::exchange(acting_, &desk);
  const auto done = desk.commit();
  acting_ = before;
  if (failed(done)) {
    return false;
  }
  answer(desk, desk.held());
  return true;
}

void RealReplica::close_beside(std::size_t which) { desks_[which]->close(); }

void RealReplica::kill_beside_at_step(std::uint64_t steps) {
  disk_.kill_at_step(other_vfs_, steps);
}

void RealReplica::set_meddling(std::uint64_t chance, std::function<PeopleWrites()> supply) {
  meddling_ = chance;
  supply_ = std::move(supply);
  disk_.set_lock_hook(chance == 0 ? Disk::LockHook()
                                  : [this](const std::string& process) { meddle(process); });
}

void RealReplica::meddle(const std::string& process) {
  (void)process;
  if (!parts_.random->chance(meddling_, 1000)) {
    return;
  }
  const std::size_t which = static_cast<std::size_t>(parts_.random->below(others));
  Desk& desk = *desks_[which];
  // Nobody opens a file there: a schema that changes under a statement is another story.
  if (&desk == acting_ || !desk.is_open() || desk.holds()) {
    return;
  }
  if (write_beside(which, supply_(), false)) {
    ++meddled_;
  }
}

bool RealReplica::upgrade() {
  if (!host_) {
    return false;
  }
  const auto run = [&]() -> Result<void> {
    SL_TRY(main_.engine().alter_begin());
    SL_TRY(main_.connection().execute("ALTER TABLE notes ADD COLUMN extra" +
                                      std::to_string(file_->columns() + 1) + " INTEGER"));
    return main_.engine().alter_commit();
  };
  if (failed(run())) {
    // As an application must: the change of schema is a transaction like any other.
    if (!main_.connection().autocommit()) {
      (void)main_.connection().execute("ROLLBACK");
    }
    return false;
  }
  file_->add_column();
  return true;
}

bool RealReplica::resync() {
  if (!host_) {
    return false;
  }
  const auto salvaged_file = main_.engine().resync();
  if (!salvaged_file) {
    last_error_ = salvaged_file.error().message();
    return false;
  }
  return true;
}

bool RealReplica::resolve(std::uint64_t pick) {
  if (!host_) {
    return false;
  }
  const auto conflicts = main_.engine().conflicts();
  if (!conflicts) {
    last_error_ = conflicts.error().message();
    return false;
  }
  std::vector<std::string> open;
  for (const ConflictRow& row : *conflicts) {
    if (row.state == "open") {
      open.push_back(row.id);
    }
  }
  return !open.empty() &&
         !failed(main_.engine().resolve(open[pick % open.size()],
                                        pick % 2 == 0 ? Resolution::mine : Resolution::theirs, {}));
}

void RealReplica::close_all() {
  close();
  close_beside(1);
}

StatusReport RealReplica::status(Instant now) {
  const Calm calm(disk_);
  return host_ ? host_->status(now) : StatusReport();
}

std::optional<ReplicaFacts> RealReplica::facts() {
  if (!main_.is_open()) {
    return std::nullopt;
  }
  const Calm calm(disk_);
  auto facts = known_facts();
  if (!facts) {
    last_error_ = facts.error().message();
    return std::nullopt;
  }
  return std::move(*facts);
}

Result<ReplicaFacts> RealReplica::known_facts() {
  Engine& engine = main_.engine();
  ReplicaFacts out;
  SL_TRY(out.replica, engine.replica());
  SL_TRY(const LogHead head, engine.log_head());
  out.last_sequence = head.own_sequence;
  SL_TRY(const std::int64_t acknowledged, engine.meta().integer(meta_name::acknowledged_sequence));
  out.acknowledged = ChangeSequence(static_cast<std::uint64_t>(acknowledged));
  SL_TRY(const std::int64_t cursor, engine.meta().integer(meta_name::cursor));
  out.cursor = ServerVersion(static_cast<std::uint64_t>(cursor));
  SL_TRY(const ByteVector lineage, engine.meta().blob(meta_name::lineage));
  if (!lineage.empty()) {
    SL_TRY(out.lineage, LineageId::from_bytes(lineage));
  }
  SL_TRY(const std::int64_t wants_rescan, engine.meta().integer(meta_name::wants_rescan));
  out.wants_rescan = wants_rescan != 0;
  return out;
}

std::optional<Digest> RealReplica::digest_of(const std::string& table) {
  const Calm calm(disk_);
  auto sum = main_.engine().digest_of_tables({table});
  return sum ? std::optional(*sum) : std::nullopt;
}

std::optional<ReplicaId> RealReplica::identity() {
  if (!main_.is_open()) {
    return std::nullopt;
  }
  const Calm calm(disk_);
  // As it stands in the file, whatever this connection believes.
  auto read = main_.connection().prepare("SELECT replica FROM syncline_replicas WHERE id = 1");
  const auto row = read ? read->step() : Result<bool>(false);
  const auto id =
      row && *row ? ReplicaId::from_bytes(read->column(0).data) : Result<ReplicaId>(ReplicaId());
  return id && !id->is_zero() ? std::optional<ReplicaId>(*id) : std::nullopt;
}

std::string RealReplica::situation() {
  if (!host_) {
    return "not open, last error: " + last_error_;
  }
  const auto head = main_.engine().log_head();
  return std::string(main_.connection().autocommit() ? "no" : "a") + " transaction open, " +
         (head ? "own sequence " + std::to_string(head->own_sequence.get())
               : head.error().message()) +
         ", last error: " + last_error_;
}

std::optional<std::map<RowName, std::map<std::string, std::string>>> RealReplica::rows() {
  const Calm calm(disk_);
  std::map<RowName, std::map<std::string, std::string>> out;
  for (const char* table : tables) {
    auto statement = main_.connection().prepare("SELECT id, body, rank FROM " + std::string(table));
    if (!statement) {
      return std::nullopt;
    }
    for (;;) {
      const auto found = statement->step();
      if (!found) {
        return std::nullopt;
      }
      if (!*found) {
        break;
      }
      const ValueView key[] = {ValueView::of(statement->column_int(0))};
      auto& row = out[{table, make_key(key)}];
      if (!statement->column(1).is_null()) {
        row["body"] = statement->column_text(1);
      }
      if (!statement->column(2).is_null()) {
        row["rank"] = statement->column_text(2);
      }
    }
  }
  return out;
}

bool RealReplica::sums_up() {
  const Calm calm(disk_);
  const auto kept = host_ ? main_.engine().digest_of_tables({}) : Result<Digest>(Digest());
  const auto counted = host_ ? main_.engine().digest() : Result<Digest>(Digest());
  return !kept || !counted || *kept == *counted;
}

std::optional<std::map<std::string, std::string>> RealReplica::ledger() {
  const Calm calm(disk_);
  auto rows = ledger_rows(main_.connection());
  return rows ? std::optional(std::move(*rows)) : std::nullopt;
}

std::optional<std::vector<std::int64_t>> RealReplica::numbers() {
  const Calm calm(disk_);
  auto numbers = ledger_numbers(main_.connection());
  return numbers ? std::optional(std::move(*numbers)) : std::nullopt;
}

std::string RealReplica::audit(const std::set<std::int64_t>& but) {
  const Calm calm(disk_);
  const auto wrong = audit_ledger(main_.connection(), but);
  return wrong ? *wrong : std::string();
}

bool RealReplica::is_in_pieces() {
  if (!host_) {
    return true;  // nothing is known of a file that nobody has open
  }
  const Calm calm(disk_);
  const auto in_pieces = main_.engine().meta().integer(meta_name::in_pieces);
  return !in_pieces || *in_pieces != 0;
}

std::set<std::int64_t> RealReplica::wrong_accounts() {
  const Calm calm(disk_);
  auto wrong = sim::wrong_accounts(main_.connection());
  return wrong ? std::move(*wrong) : std::set<std::int64_t>();
}

std::string RealReplica::verify_file() {
  const Calm calm(disk_);
  const auto wrong = verify(main_.engine());
  if (!wrong) {
    return wrong.error().message();
  }
  return wrong->empty() ? std::string() : wrong->front();
}

// --- Files of changes
// -----------------------------------------------------------------------------

std::optional<ByteVector> RealReplica::export_pending() {
  if (!host_) {
    return std::nullopt;
  }
  const Calm calm(disk_);
  auto file = main_.engine().export_pending();
  return file ? std::optional(std::move(*file)) : std::nullopt;
}

std::optional<LocalVersion> RealReplica::version() {
  if (!host_) {
    return std::nullopt;
  }
  const Calm calm(disk_);
  const auto version = main_.engine().version();
  return version ? std::optional(*version) : std::nullopt;
}

std::optional<ByteVector> RealReplica::changes(LocalVersion since) {
  if (!host_) {
    return std::nullopt;
  }
  const Calm calm(disk_);
  auto file = main_.engine().changes_since(since);
  return file ? std::optional(std::move(*file)) : std::nullopt;
}

bool RealReplica::import_pending(Bytes file) {
  if (!host_) {
    return false;
  }
  const auto done = main_.engine().import_pending(file);
  return !failed(done ? Result<void>() : Result<void>(done.error()));
}

bool RealReplica::apply_file(Bytes file) {
  if (!host_) {
    return false;
  }
  const auto done = main_.engine().apply_file(file);
  return !failed(done ? Result<void>() : Result<void>(done.error()));
}

std::optional<RealReplica::Wish> RealReplica::next_wish() {
  if (wishes_.empty()) {
    return std::nullopt;
  }
  Wish out = std::move(wishes_.front());
  wishes_.pop_front();
  return out;
}

void RealReplica::hang_up(const std::string& reason) {
  (void)reason;
  wishes_.push_back({Want::hang_up, {}, {}});
}

void RealReplica::salvaged(const std::string& reason, Bytes file) {
  (void)reason;
  salvages_ += file.empty() ? 0 : 1;
}

}  // namespace syncline::sim
