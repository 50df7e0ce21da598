#include "routes/delta_request.h"

#include "base/check.h"
#include "routes/delta_state.h"
#include "routes/delta_values.h"
#include "routes/inflate.h"

using namespace syncline;

namespace {

// Whatever is taken in goes out and comes back the same.
void check_values(const Json& data) {
  for (const Json::Member& one : *data.object()) {
    const auto value = value_from_json(one.value);
    if (!value) {
      continue;
    }
    std::string out;
    append_cell_json(out, nullptr, value->view());
    const auto again = read_json(out);
    SL_CHECK(again.has_value());
    const auto same = value_from_json(*again);
    SL_CHECK(same.has_value() && *same == *value);
  }
}

void check_key(const TableSchema* table, const std::string& entity) {
  const auto key = key_from_entity(table, entity);
  if (key) {
    const auto again = key_from_entity(table, entity_from_key(table, key->view()));
    SL_CHECK(again.has_value() && *again == *key);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string body(reinterpret_cast<const char*>(data), size);
  for (const char* encoding : {"gzip", "zstd"}) {
    const auto whole = inflate_body(encoding, body, 1U << 20U);
    SL_CHECK(!whole || whole->size() <= 1U << 20U);
  }
  TableSchema pair;
  pair.name = "pair";
  pair.columns = {{"a", "INTEGER", true, false, MergeRule::lww},
                  {"b", "", true, false, MergeRule::lww}};
  pair.key = {"a", "b"};
  TableSchema single = pair;
  single.key = {"a"};
  if (const auto request = read_delta_request(body)) {
    SL_CHECK(request->changes.size() + request->refused.size() <= delta_changes_max);
    for (const auto& [index, change] : request->changes) {
      SL_CHECK(!change.id.empty() && is_delta_name(change.table) &&
               change.data.object() != nullptr);
      check_values(change.data);
      for (const TableSchema* table :
           {static_cast<const TableSchema*>(nullptr), static_cast<const TableSchema*>(&pair),
            static_cast<const TableSchema*>(&single)}) {
        check_key(table, change.entity);
      }
    }
  }
  if (const auto state = read_delta_state(body)) {
    for (const DeltaStateRow& row : state->rows) {
      (void)change_of_row(row, nullptr, state->device);
      (void)change_of_row(row, &pair, state->device);
    }
  }
  return 0;
}
