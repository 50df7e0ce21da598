#pragma once

#include <string_view>

#include "ydoc/any.h"
#include "ydoc/ids.h"
#include "ydoc/lib0.h"

namespace syncline::ydoc {

// What a struct holds; the numbers are those of the wire.
enum class ContentKind : std::uint8_t {
  gc = 0,
  deleted = 1,
  json = 2,
  binary = 3,
  string = 4,
  embed = 5,
  format = 6,
  type = 7,
  any = 8,
  doc = 9,
  skip = 10,
};

// The kinds of shared types; the numbers are those of the wire, up to `untyped`, which a root has
// until the application says what it is.
enum class TypeKind : std::uint8_t {
  array = 0,
  map = 1,
  text = 2,
  xml_element = 3,
  xml_fragment = 4,
  xml_hook = 5,
  xml_text = 6,
  untyped = 7,
};

inline constexpr std::uint8_t info_origin = 0x80;
inline constexpr std::uint8_t info_right_origin = 0x40;
inline constexpr std::uint8_t info_key = 0x20;
inline constexpr std::uint8_t info_kind = 0x1f;

// One struct as it lies in an update. Borrows the update's bytes.
struct StructView {
  ClientId client = 0;
  Clock clock = 0;
  std::uint64_t length = 0;
  ContentKind kind = ContentKind::gc;
  std::uint8_t info = 0;
  // Whether the bytes are exactly those Yjs would write for the decoded struct.
  bool canonical = true;
  bool has_key = false;      // a key was transmitted, so a parent was too
  bool root_parent = false;  // the parent is a root, `root_name`; otherwise the item `parent`
  Id origin;
  Id right_origin;
  Id parent;
  std::string_view root_name;
  std::string_view key;
  const std::uint8_t* body = nullptr;     // after the info byte
  const std::uint8_t* content = nullptr;  // after everything but the content
  const std::uint8_t* end = nullptr;

  bool has_origin() const { return (info & info_origin) != 0; }
  bool has_right_origin() const { return (info & info_right_origin) != 0; }
  bool has_parent() const { return (info & (info_origin | info_right_origin)) == 0; }
  bool is_item() const { return kind != ContentKind::gc && kind != ContentKind::skip; }
  Clock end_clock() const { return clock + length; }
  Bytes content_bytes() const { return {content, static_cast<std::size_t>(end - content)}; }
};

// Reads the struct that follows in `in`; false on malformed bytes.
bool read_struct(Decoder& in, ClientId client, Clock clock, StructView& out);

// Writes the struct without its first `offset` units. An item whose key was inherited is written
// without the key bit, as Yjs does for structs that no document holds.
void write_struct(Encoder& out, const StructView& view, std::uint64_t offset);

// Writes a JSON value as Yjs would, from any valid text; `undefined` stays as it is.
void rewrite_json(Encoder& out, std::string_view text);

// Writes a String's UTF-8 without its first `offset` UTF-16 units; a pair cut in two leaves U+FFFD.
void write_string_tail(Encoder& out, Bytes utf8, std::uint64_t offset);

// Goes through the structs of an update, then its delete set.
class StructReader {
 public:
  explicit StructReader(Bytes update) : in_(update), sections_(in_.var_uint()) { settle(); }

  // Whether a struct is left; client() and clock() are then its.
  bool has_next() const { return structs_ > 0 && in_.ok(); }
  ClientId client() const { return client_; }
  Clock clock() const { return clock_; }
  // How many structs of this client's section are left.
  std::uint64_t structs_left() const { return structs_; }
  bool next_is_skip() const { return (*in_.position() & info_kind) == 10 && in_.ok(); }
  const std::uint8_t* position() const { return in_.position(); }
  // False on malformed bytes.
  bool read(StructView& out) {
    if (!read_struct(in_, client_, clock_, out)) {
      in_.fail();
      structs_ = 0;
      return false;
    }
    clock_ += out.length;
    structs_ -= 1;
    settle();
    return true;
  }
  // After the last struct.
  void read_deletes(DeleteSet& out, std::size_t ranges_max = SIZE_MAX) {
    out.read(in_, ranges_max);
  }
  bool ok() const { return in_.ok(); }
  bool at_end() const { return in_.at_end(); }
  Decoder& decoder() { return in_; }

 private:
  // Opens sections until one has a struct.
  void settle() {
    while (structs_ == 0 && sections_ > 0 && in_.ok()) {
      structs_ = in_.var_uint();
      client_ = in_.var_uint();
      clock_ = in_.var_uint();
      sections_ -= 1;
      if (structs_ > in_.remaining()) {
        in_.fail();
      }
    }
    if (!in_.ok()) {
      structs_ = 0;
    }
  }

  Decoder in_;
  std::uint64_t sections_;
  std::uint64_t structs_ = 0;
  ClientId client_ = 0;
  Clock clock_ = 0;
};

// Builds an update from structs in the order given; their counts are known only at the end.
class SectionWriter {
 public:
  void write(const StructView& view, std::uint64_t offset);
  // The next struct opens a section even if its client is the last one.
  void close() { closed_ = true; }
  bool empty() const { return sections_.empty(); }
  ByteVector finish(const DeleteSet& deletes);

 private:
  struct Section {
    ClientId client = 0;
    Clock clock = 0;
    std::uint64_t count = 0;
    std::size_t begin = 0;
  };
  Encoder body_;
  std::vector<Section> sections_;
  bool closed_ = false;
};

}  // namespace syncline::ydoc
