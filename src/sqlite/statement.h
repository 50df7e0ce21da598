#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/result.h"
#include "base/value_view.h"

struct sqlite3;
struct sqlite3_stmt;

namespace syncline {

// One prepared statement: bind, step, read, reset. Bound text and blobs are borrowed until the next
// reset(): the caller keeps them alive. Finalised when it goes out of scope.
class Statement {
 public:
  Statement() = default;
  Statement(Statement&& other) noexcept : handle_(other.handle_) { other.handle_ = nullptr; }
  Statement& operator=(Statement&& other) noexcept;
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement();

  // Adopts a statement that sqlite3_prepare made.
  explicit Statement(sqlite3_stmt* handle) : handle_(handle) {}

  explicit operator bool() const { return handle_ != nullptr; }
  sqlite3_stmt* handle() const { return handle_; }

  // Parameters count from 1, as in SQL. Text and blobs are not copied: they must live until the
  // statement has run, so nothing temporary can be bound.
  Statement& bind(int index, const ValueView& value);
  Statement& bind(int index, std::int64_t value);
  Statement& bind_text(int index, std::string_view value) {
    return bind(index, ValueView::of(value));
  }
  template <typename T>
  requires std::is_same_v<T, std::string> Statement& bind_text(int index, T&& value) = delete;
  Statement& bind_blob(int index, Bytes value) { return bind(index, ValueView::blob(value)); }
  template <typename T>
  requires std::is_same_v<T, ByteVector> Statement& bind_blob(int index, T&& value) = delete;
  Statement& bind_null(int index) { return bind(index, ValueView::null()); }
  int parameter_count() const;

  // True when a row is there to be read, false when the statement has run to its end.
  Result<bool> step();
  // One of this thread's is inside of step(): SQLite may be reading the schema anew for it, which
  // disconnects virtual tables as closing does. No statement may be let go of then.
  static bool is_any_stepping();
  // Steps once, expects no row or ignores it, and resets.
  Result<void> run();
  void reset();

  // Columns count from 0. What is returned lives until the next step or reset.
  ValueView column(int index) const;
  std::int64_t column_int(int index) const;
  std::string_view column_text(int index) const;
  Bytes column_blob(int index) const;
  int column_count() const;
  std::string column_name(int index) const;
  // True when the statement writes nothing.
  bool read_only() const;

 private:
  int bind_result_ = 0;
  sqlite3_stmt* handle_ = nullptr;
};

// Resets a cached statement when the scope ends, however it ends: a statement left in the middle of
// its rows would hold the transaction open.
class ResetGuard {
 public:
  explicit ResetGuard(Statement& statement) : statement_(statement) {}
  ~ResetGuard() { statement_.reset(); }
  ResetGuard(const ResetGuard&) = delete;
  ResetGuard& operator=(const ResetGuard&) = delete;

 private:
  Statement& statement_;
};

}  // namespace syncline
