// Documents: that part of include/syncline.h.
#include "client/documents.h"

#include "bindings/c/handle.h"

namespace {

using syncline::as_bytes;
using syncline::Bytes;
using syncline::ByteVector;
using syncline::Documents;
using syncline::finished;
using syncline::is_open;
using syncline::Result;

bool is_named(syncline_db* db, const syncline_place* place) {
  return is_open(db) && place != nullptr && place->table != nullptr && place->column != nullptr &&
         (place->key != nullptr || place->key_count == 0);
}

Documents::Place place_of(const syncline_place& place) {
  Documents::Place out;
  out.table = place.table;
  out.column = place.column;
  for (std::size_t i = 0; i < place.key_count; ++i) {
    out.key.emplace_back(syncline::view_of(place.key[i]));
  }
  return out;
}

template <typename Work>
syncline_code edit(syncline_db* db, const syncline_place* place, const Work& work) {
  if (!is_named(db, place)) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  return finished(db, db->engine->with_documents([&](Documents& documents) -> Result<void> {
    return work(documents, place_of(*place));
  }));
}

template <typename Work>
syncline_code give_text(syncline_db* db, const syncline_place* place, char** out,
                        const Work& work) {
  if (!is_named(db, place) || out == nullptr) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  *out = nullptr;
  const auto text = db->engine->with_documents([&](Documents& documents) -> Result<std::string> {
    return work(documents, place_of(*place));
  });
  if (text) {
    *out = syncline::copy_out(as_bytes(*text));
  }
  return finished(db, text);
}

template <typename Work>
syncline_code give_bytes(syncline_db* db, const syncline_place* place, void** out,
                         std::size_t* size, const Work& work) {
  if (!is_named(db, place) || out == nullptr || size == nullptr) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  *out = nullptr;
  const auto bytes = db->engine->with_documents([&](Documents& documents) -> Result<ByteVector> {
    return work(documents, place_of(*place));
  });
  if (bytes) {
    *out = syncline::copy_out(*bytes);
    *size = bytes->size();
  }
  return finished(db, bytes);
}

Bytes bytes_of(const void* data, std::size_t size) {
  return {static_cast<const std::uint8_t*>(data), size};
}

using Place = Documents::Place;

}  // namespace

extern "C" {

syncline_code syncline_text_insert(syncline_db* db, const syncline_place* place, uint64_t index,
                                   const char* text) {
  return text == nullptr ? SYNCLINE_INVALID_ARGUMENT
                         : edit(db, place, [&](Documents& documents, const Place& at) {
                             return documents.insert_text(at, index, text);
                           });
}

syncline_code syncline_text_delete(syncline_db* db, const syncline_place* place, uint64_t index,
                                   uint64_t count) {
  return edit(db, place, [&](Documents& documents, const Place& at) {
    return documents.delete_text(at, index, count);
  });
}

syncline_code syncline_text_format(syncline_db* db, const syncline_place* place, uint64_t index,
                                   uint64_t count, const char* attributes) {
  return attributes == nullptr ? SYNCLINE_INVALID_ARGUMENT
                               : edit(db, place, [&](Documents& documents, const Place& at) {
                                   return documents.format_text(at, index, count, attributes);
                                 });
}

syncline_code syncline_text_delta(syncline_db* db, const syncline_place* place, char** json) {
  return give_text(db, place, json,
                   [](Documents& documents, const Place& at) { return documents.text_delta(at); });
}

syncline_code syncline_doc_apply(syncline_db* db, const syncline_place* place, const void* update,
                                 size_t size) {
  return update == nullptr ? SYNCLINE_INVALID_ARGUMENT
                           : edit(db, place, [&](Documents& documents, const Place& at) {
                               return documents.apply(at, bytes_of(update, size));
                             });
}

syncline_code syncline_doc_json(syncline_db* db, const syncline_place* place, char** json) {
  return give_text(db, place, json,
                   [](Documents& documents, const Place& at) { return documents.json(at); });
}

syncline_code syncline_doc_state_vector(syncline_db* db, const syncline_place* place, void** out,
                                        size_t* size) {
  return give_bytes(db, place, out, size, [](Documents& documents, const Place& at) {
    return documents.state_vector(at);
  });
}

syncline_code syncline_doc_diff(syncline_db* db, const syncline_place* place, const void* state,
                                size_t state_size, void** out, size_t* size) {
  return give_bytes(db, place, out, size, [&](Documents& documents, const Place& at) {
    return documents.diff(at, bytes_of(state, state_size));
  });
}

syncline_code syncline_doc_name(syncline_db* db, const syncline_place* place, char** name) {
  return give_text(db, place, name,
                   [](Documents& documents, const Place& at) { return documents.name(at); });
}

}  // extern "C"
