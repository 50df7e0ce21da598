#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <variant>

#include "base/result.h"
#include "sqlite/connection.h"

namespace syncline {

// What an SQL function of ours returns; owned, because SQLite keeps it after the call.
using SqlValue = std::variant<std::monostate, std::int64_t, double, std::string, ByteVector>;

enum class Purity {
  pure,       // same arguments, same answer; may stand in triggers and indexes
  observing,  // changes nothing, but its answer depends on state; may stand in triggers
  effects,    // reads or changes state; not to be called from a schema that is not trusted
};

// Registers an SQL function on the connection; -1 takes any number of arguments. An Error becomes
// the statement's error, with its text.
Result<void> register_function(Connection connection, const char* name, int argument_count,
                               Purity purity,
                               std::function<Result<SqlValue>(std::span<const ValueView>)> body);

// The same for a question without arguments that is asked for every row: yes or no.
using Question = Result<bool> (*)(void* context);
Result<void> register_question(Connection connection, const char* name, Question question,
                               void* context);

// A pure function of any arguments that is asked for every row; it answers with a number, and never
// fails.
using Measure = std::int64_t (*)(void* context, std::span<sqlite3_value* const> arguments);
Result<void> register_measure(Connection connection, const char* name, Measure measure,
                              void* context);

}  // namespace syncline
