// Syncline for C++20: RAII over syncline.h, which says what each call promises. Header-only; uses
// no exceptions: a call that can fail returns a Status, which keeps the code and the sentence.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "syncline.h"

namespace syncline {

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(syncline_code code, std::string text, bool retryable)
      : code_(code), retryable_(retryable), text_(std::move(text)) {}

  bool ok() const { return code_ == SYNCLINE_OK; }
  explicit operator bool() const { return ok(); }
  syncline_code code() const { return code_; }
  const char* name() const { return syncline_code_name(code_); }
  const std::string& text() const { return text_; }
  bool retryable() const { return retryable_; }

 private:
  syncline_code code_ = SYNCLINE_OK;
  bool retryable_ = false;
  std::string text_;
};

using Blob = std::vector<unsigned char>;
// One SQL value, owned.
using SqlValue = std::variant<std::monostate, std::int64_t, double, std::string, Blob>;
using SqlValues = std::vector<SqlValue>;

namespace detail {

inline syncline_value borrow(const SqlValue& value) {
  syncline_value out{};
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    out.type = SYNCLINE_INTEGER;
    out.integer = *integer;
  } else if (const auto* real = std::get_if<double>(&value)) {
    out.type = SYNCLINE_REAL;
    out.real = *real;
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    out.type = SYNCLINE_TEXT;
    out.data = text->data();
    out.size = text->size();
  } else if (const auto* blob = std::get_if<Blob>(&value)) {
    out.type = SYNCLINE_BLOB;
    out.data = blob->data();
    out.size = blob->size();
  }
  return out;
}

inline std::vector<syncline_value> borrow(const SqlValues& values) {
  std::vector<syncline_value> out;
  for (const SqlValue& value : values) {
    out.push_back(borrow(value));
  }
  return out;
}

inline SqlValue own(const syncline_value& value) {
  const auto* data = static_cast<const unsigned char*>(value.data);
  switch (value.type) {
    case SYNCLINE_INTEGER:
      return value.integer;
    case SYNCLINE_REAL:
      return value.real;
    case SYNCLINE_TEXT:
      return std::string(data, data + value.size);
    case SYNCLINE_BLOB:
      return Blob(data, data + value.size);
    case SYNCLINE_NULL:
      break;
  }
  return {};
}

}  // namespace detail

// The rows of one statement. Must not outlive its Database.
class Rows {
 public:
  // For a live query's callback: the library keeps the rows.
  static Rows lend(syncline_rows* rows) { return Rows(rows, nullptr); }
  Rows(syncline_db* db, syncline_rows* rows) : Rows(rows, db) {}

  // True on a row; false at the end or on an error, which status() tells apart.
  bool next() {
    const syncline_code code = syncline_step(handle_.get());
    if (code != SYNCLINE_ROW && code != SYNCLINE_OK) {
      status_ = Status(code, syncline_error_text(db_), syncline_error_is_retryable(db_) != 0);
    }
    return code == SYNCLINE_ROW;
  }
  const Status& status() const { return status_; }
  int size() const { return syncline_column_count(handle_.get()); }
  std::string name(int column) { return syncline_column_name(handle_.get(), column); }
  SqlValue value(int column) const { return detail::own(syncline_column(handle_.get(), column)); }
  // Empty for what is no text.
  std::string text(int column) const {
    const SqlValue found = value(column);
    const auto* text = std::get_if<std::string>(&found);
    return text == nullptr ? std::string() : *text;
  }
  // Zero for what is no integer.
  std::int64_t integer(int column) const { return syncline_column(handle_.get(), column).integer; }

 private:
  struct Finish {
    bool owned = true;
    void operator()(syncline_rows* rows) const {
      if (owned) {
        syncline_finish(rows);
      }
    }
  };
  Rows(syncline_rows* rows, syncline_db* db) : handle_(rows, Finish{db != nullptr}), db_(db) {}

  std::unique_ptr<syncline_rows, Finish> handle_;
  syncline_db* db_;
  Status status_;
};

// One open database; belongs to one thread at a time.
class Database {
 public:
  using LiveCallback = std::function<void(Rows rows)>;
  using EventCallback = std::function<void(std::string_view name, std::string_view payload)>;

  Database() = default;
  Status open(const std::string& path, const syncline_options* options = nullptr) {
    syncline_db* opened = nullptr;
    const syncline_code code = syncline_open(path.c_str(), options, &opened);
    handle_.reset(opened);
    return status(code);
  }
  // For calls that this wrapper does not name.
  syncline_db* handle() const { return handle_.get(); }

  Status exec(const std::string& sql) {
    return status(syncline_exec(handle(), sql.c_str(), nullptr, 0));
  }
  Status exec(const std::string& sql, const SqlValues& values) {
    const auto borrowed = detail::borrow(values);
    static const syncline_value none{};
    return status(syncline_exec(handle(), sql.c_str(), borrowed.empty() ? &none : borrowed.data(),
                                borrowed.size()));
  }
  // Nothing when the SQL is wrong: last_error() says how.
  std::optional<Rows> query(const std::string& sql, const SqlValues& values = {}) {
    syncline_rows* rows = nullptr;
    if (syncline_prepare(handle(), sql.c_str(), &rows) != SYNCLINE_OK) {
      return std::nullopt;
    }
    Rows out(handle(), rows);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const syncline_value value = detail::borrow(values[i]);
      if (syncline_bind(rows, static_cast<int>(i) + 1, &value) != SYNCLINE_OK) {
        return std::nullopt;
      }
    }
    return out;
  }

  Status track(const std::string& table, const std::vector<std::string>& rules = {}) {
    std::vector<const char*> texts;
    texts.reserve(rules.size());
    for (const std::string& rule : rules) {
      texts.push_back(rule.c_str());
    }
    return status(syncline_track(handle(), table.c_str(), texts.data(), texts.size()));
  }
  Status untrack(const std::string& table) {
    return status(syncline_untrack(handle(), table.c_str()));
  }
  Status collection(const std::string& name) {
    return status(syncline_collection(handle(), name.c_str()));
  }

  // A cell of a column with rule "text" or "doc".
  struct Place {
    std::string table;
    SqlValues key;
    std::string column;
  };
  Status text_insert(const Place& place, std::uint64_t index, const std::string& text) {
    return at(place, [&](const syncline_place& there) {
      return syncline_text_insert(handle(), &there, index, text.c_str());
    });
  }
  Status text_delete(const Place& place, std::uint64_t index, std::uint64_t count) {
    return at(place, [&](const syncline_place& there) {
      return syncline_text_delete(handle(), &there, index, count);
    });
  }
  Status text_format(const Place& place, std::uint64_t index, std::uint64_t count,
                     const std::string& attributes) {
    return at(place, [&](const syncline_place& there) {
      return syncline_text_format(handle(), &there, index, count, attributes.c_str());
    });
  }
  Status text_delta(const Place& place, std::string& json) {
    return text_at(place, syncline_text_delta, json);
  }
  Status doc_apply(const Place& place, const Blob& update) {
    return at(place, [&](const syncline_place& there) {
      return syncline_doc_apply(handle(), &there, update.data(), update.size());
    });
  }
  Status doc_json(const Place& place, std::string& json) {
    return text_at(place, syncline_doc_json, json);
  }
  Status doc_name(const Place& place, std::string& name) {
    return text_at(place, syncline_doc_name, name);
  }
  Status doc_state_vector(const Place& place, Blob& out) {
    return bytes_at(place, out, [&](const syncline_place& there, void** bytes, std::size_t* size) {
      return syncline_doc_state_vector(handle(), &there, bytes, size);
    });
  }
  // Everything for an empty state vector.
  Status doc_diff(const Place& place, const Blob& state, Blob& out) {
    return bytes_at(place, out, [&](const syncline_place& there, void** bytes, std::size_t* size) {
      return syncline_doc_diff(handle(), &there, state.data(), state.size(), bytes, size);
    });
  }

  Status changes(std::uint64_t since, Blob& out) {
    void* bytes = nullptr;
    std::size_t size = 0;
    const syncline_code code = syncline_changes(handle(), since, &bytes, &size);
    if (code == SYNCLINE_OK) {
      const auto* begin = static_cast<const unsigned char*>(bytes);
      out.assign(begin, begin + size);
    }
    syncline_free(bytes);
    return status(code);
  }
  Status apply(const Blob& changes, syncline_report* report = nullptr) {
    return status(syncline_apply(handle(), changes.data(), changes.size(), report));
  }

  Status counts(syncline_counts& out) { return status(syncline_count(handle(), &out)); }
  Status status_json(std::string& out) {
    char* json = nullptr;
    const syncline_code code = syncline_status(handle(), &json);
    out = json == nullptr ? "" : json;
    syncline_free(json);
    return status(code);
  }
  Status digest(std::string& out) {
    char text[65] = "";
    const syncline_code code = syncline_digest(handle(), text);
    out = text;
    return status(code);
  }
  Status resolve(const std::string& conflict, const std::string& how) {
    return status(syncline_resolve(handle(), conflict.c_str(), how.c_str(), nullptr));
  }
  Status resolve_with(const std::string& conflict, const SqlValue& value) {
    const syncline_value borrowed = detail::borrow(value);
    return status(syncline_resolve(handle(), conflict.c_str(), "value", &borrowed));
  }

  void on_event(EventCallback callback) {
    event_ = std::make_unique<EventCallback>(std::move(callback));
    syncline_on_event(handle(), *event_ ? &Database::call_event : nullptr, event_.get());
  }
  Status subscribe(const std::string& sql, const SqlValues& values, LiveCallback callback,
                   std::uint64_t& id) {
    auto kept = std::make_unique<LiveCallback>(std::move(callback));
    const auto borrowed = detail::borrow(values);
    const syncline_code code =
        syncline_subscribe(handle(), sql.c_str(), borrowed.data(), borrowed.size(),
                           &Database::call_live, kept.get(), &id);
    if (code == SYNCLINE_OK) {
      live_[id] = std::move(kept);
    }
    return status(code);
  }
  // Not from inside the query's own callback.
  void unsubscribe(std::uint64_t id) {
    syncline_unsubscribe(handle(), id);
    live_.erase(id);
  }
  Status poll(std::size_t* told = nullptr) { return status(syncline_poll(handle(), told)); }

  Status last_error() const { return status(syncline_error_code(handle())); }

 private:
  struct Close {
    void operator()(syncline_db* db) const { syncline_close(db); }
  };
  Status status(syncline_code code) const {
    if (code == SYNCLINE_OK) {
      return {};
    }
    return Status(code, syncline_error_text(handle()), syncline_error_is_retryable(handle()) != 0);
  }
  template <typename Call>
  Status at(const Place& place, const Call& call) {
    const auto key = detail::borrow(place.key);
    const syncline_place there{place.table.c_str(), key.data(), key.size(), place.column.c_str()};
    return status(call(there));
  }
  Status text_at(const Place& place,
                 syncline_code (*call)(syncline_db*, const syncline_place*, char**),
                 std::string& out) {
    char* text = nullptr;
    Status done =
        at(place, [&](const syncline_place& there) { return call(handle(), &there, &text); });
    out = text == nullptr ? "" : text;
    syncline_free(text);
    return done;
  }
  template <typename Call>
  Status bytes_at(const Place& place, Blob& out, const Call& call) {
    void* bytes = nullptr;
    std::size_t size = 0;
    Status done =
        at(place, [&](const syncline_place& there) { return call(there, &bytes, &size); });
    if (done.ok()) {
      const auto* begin = static_cast<const unsigned char*>(bytes);
      out.assign(begin, begin + size);
    }
    syncline_free(bytes);
    return done;
  }
  static void call_event(void* context, const syncline_event* event) {
    (*static_cast<EventCallback*>(context))(event->name, event->payload);
  }
  static void call_live(void* context, syncline_rows* rows) {
    (*static_cast<LiveCallback*>(context))(Rows::lend(rows));
  }

  // The handle goes first: it may call back until then.
  std::unique_ptr<EventCallback> event_;
  std::map<std::uint64_t, std::unique_ptr<LiveCallback>> live_;
  std::unique_ptr<syncline_db, Close> handle_;
};

}  // namespace syncline
