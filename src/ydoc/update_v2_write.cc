// tidy-allow(dead-file): what it defines is declared in update_v2.h
#include <array>

#include "ydoc/any.h"
#include "ydoc/struct_view.h"
#include "ydoc/update_v2.h"
#include "ydoc/utf.h"

namespace syncline::ydoc {

namespace {

Encoder::Sign sign_of(bool negative) {
  return negative ? Encoder::Sign::minus : Encoder::Sign::plus;
}

// --- columns, written

// Numbers; a run of equal ones is the number negated (zero too) and its length less two.
class UintColumn {
 public:
  void write(std::uint64_t value) {
    if (count_ > 0 && value == value_) {
      count_ += 1;
      return;
    }
    // The first value is compared with zero, so a run of zeros may begin the column.
    flush();
    value_ = value;
    count_ = 1;
  }
  Bytes finish() {
    flush();
    return out_.bytes();
  }

 private:
  void flush() {
    if (count_ > 0) {
      out_.var_int(sign_of(count_ > 1), value_);
    }
    if (count_ > 1) {
      out_.var_uint(count_ - 2);
    }
    count_ = 0;
  }
  Encoder out_;
  std::uint64_t value_ = 0;
  std::uint64_t count_ = 0;
};

// Numbers as differences; the lowest bit of what is written says whether a run length follows.
class DifferenceColumn {
 public:
  void write(std::uint64_t value) {
    const std::int64_t now = static_cast<std::int64_t>(value);
    if (count_ > 0 && now - last_ == difference_) {
      count_ += 1;
    } else if (count_ == 0 && now == last_) {
      count_ = 1;
      difference_ = 0;
    } else {
      flush();
      count_ = 1;
      difference_ = now - last_;
    }
    last_ = now;
  }
  Bytes finish() {
    flush();
    return out_.bytes();
  }

 private:
  void flush() {
    if (count_ > 0) {
      const std::int64_t coded = difference_ * 2 + (count_ > 1 ? 1 : 0);
      out_.var_int(sign_of(coded < 0), static_cast<std::uint64_t>(coded < 0 ? -coded : coded));
    }
    if (count_ > 1) {
      out_.var_uint(count_ - 2);
    }
    count_ = 0;
  }
  Encoder out_;
  std::int64_t last_ = 0;
  std::int64_t difference_ = 0;
  std::uint64_t count_ = 0;
};

// Bytes with run lengths; the last run has none.
class ByteColumn {
 public:
  void write(std::uint8_t value) {
    if (count_ > 0 && value == value_) {
      count_ += 1;
      return;
    }
    if (count_ > 0) {
      out_.var_uint(count_ - 1);
    }
    out_.u8(value);
    value_ = value;
    count_ = 1;
  }
  Bytes finish() const { return out_.bytes(); }

 private:
  Encoder out_;
  std::uint8_t value_ = 0;
  std::uint64_t count_ = 0;
};

class StringColumn {
 public:
  void write(std::string_view utf8) {
    text_ += utf8;
    lengths_.write(utf16_length(as_bytes(utf8)).value_or(0));
  }
  ByteVector finish() {
    Encoder out;
    out.string(text_);
    out.raw(lengths_.finish());
    return out.take();
  }

 private:
  std::string text_;
  UintColumn lengths_;
};

class V2Writer {
 public:
  void write_section(std::uint64_t count, ClientId client, Clock clock) {
    rest_.var_uint(count);
    clients_.write(client);
    rest_.var_uint(clock);
  }
  void write_count(std::uint64_t count) { rest_.var_uint(count); }

  void write_struct(const StructView& view, InheritedKeys keys) {
    if (!view.is_item()) {
      info_.write(static_cast<std::uint8_t>(view.kind));
      view.kind == ContentKind::skip ? rest_.var_uint(view.length) : lengths_.write(view.length);
      return;
    }
    const bool inherits = !view.has_parent() && keys == InheritedKeys::unmarked;
    info_.write(static_cast<std::uint8_t>(inherits ? view.info & ~info_key : view.info));
    if (view.has_origin()) {
      clients_.write(view.origin.client);
      left_clocks_.write(view.origin.clock);
    }
    if (view.has_right_origin()) {
      clients_.write(view.right_origin.client);
      right_clocks_.write(view.right_origin.clock);
    }
    if (view.has_parent()) {
      parents_.write(view.root_parent ? 1 : 0);
      if (view.root_parent) {
        strings_.write(view.root_name);
      } else {
        clients_.write(view.parent.client);
        left_clocks_.write(view.parent.clock);
      }
      if (view.has_key) {
        strings_.write(view.key);
      }
    }
    write_content(view);
  }

  void write_deletes(DeleteSet deletes) {
    // Clocks are written as differences, which must not be negative.
    deletes.normalize();
    const std::vector<DeleteRange>& ranges = deletes.ranges();
    std::uint64_t clients = 0;
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      clients += i == 0 || ranges[i].client != ranges[i - 1].client ? 1U : 0U;
    }
    rest_.var_uint(clients);
    for (std::size_t i = 0; i < ranges.size();) {
      std::size_t end = i;
      while (end < ranges.size() && ranges[end].client == ranges[i].client) {
        ++end;
      }
      rest_.var_uint(ranges[i].client);
      rest_.var_uint(end - i);
      for (Clock last = 0; i < end; ++i) {
        rest_.var_uint(ranges[i].clock - last);
        rest_.var_uint(ranges[i].length - 1);
        last = ranges[i].clock + ranges[i].length;
      }
    }
  }

  ByteVector finish() {
    Encoder out;
    out.var_uint(0);
    out.blob(keys_.finish());
    out.blob(clients_.finish());
    out.blob(left_clocks_.finish());
    out.blob(right_clocks_.finish());
    out.blob(info_.finish());
    out.blob(strings_.finish());
    out.blob(parents_.finish());
    out.blob(types_.finish());
    out.blob(lengths_.finish());
    out.raw(rest_.bytes());
    return out.take();
  }

 private:
  // Yjs numbers the keys but never finds one again, so each is written in full.
  void write_key(std::string_view key) {
    keys_.write(next_key_++);
    strings_.write(key);
  }
  void write_json(std::string_view text) {
    const Result<Any> value = from_json(text);
    write_any(rest_, value ? *value : Any::null());
  }

  void write_content(const StructView& view) {
    Decoder in(view.content_bytes());
    switch (view.kind) {
      case ContentKind::gc:
      case ContentKind::skip:
        break;
      case ContentKind::deleted:
        lengths_.write(view.length);
        break;
      case ContentKind::json:
        lengths_.write(in.var_uint());
        for (std::uint64_t i = 0; i < view.length; ++i) {
          strings_.write(in.string());
        }
        break;
      case ContentKind::binary:
        rest_.blob(in.blob());
        break;
      case ContentKind::string:
        strings_.write(in.string());
        break;
      case ContentKind::embed:
        write_json(in.string());
        break;
      case ContentKind::format:
        write_key(in.string());
        write_json(in.string());
        break;
      case ContentKind::type:
        types_.write(in.var_uint());
        if (!in.at_end()) {
          write_key(in.string());
        }
        break;
      case ContentKind::any:
        lengths_.write(in.var_uint());
        for (std::uint64_t i = 0; i < view.length; ++i) {
          write_any(rest_, read_any(in));
        }
        break;
      case ContentKind::doc:
        strings_.write(in.string());
        write_any(rest_, read_any(in));
        break;
    }
  }

  DifferenceColumn keys_;
  UintColumn clients_;
  DifferenceColumn left_clocks_;
  DifferenceColumn right_clocks_;
  ByteColumn info_;
  StringColumn strings_;
  ByteColumn parents_;
  UintColumn types_;
  UintColumn lengths_;
  Encoder rest_;
  std::uint64_t next_key_ = 0;
};

// Sections without structs are left out, so the count in the update cannot be copied.
std::uint64_t count_sections(Bytes update) {
  StructReader reader(update);
  StructView view;
  std::uint64_t sections = 0;
  std::uint64_t left = 0;
  while (reader.has_next()) {
    sections += left == 0 ? 1U : 0U;
    left = (left == 0 ? reader.structs_left() : left) - 1;
    if (!reader.read(view)) {
      break;
    }
  }
  return sections;
}

}  // namespace

Result<ByteVector> convert_v1_to_v2(Bytes update, InheritedKeys keys) {
  StructReader reader(update);
  V2Writer writer;
  writer.write_count(count_sections(update));
  StructView view;
  std::uint64_t left = 0;
  while (reader.has_next()) {
    if (left == 0) {
      left = reader.structs_left();
      writer.write_section(left, reader.client(), reader.clock());
    }
    if (!reader.read(view)) {
      break;
    }
    left -= 1;
    writer.write_struct(view, keys);
  }
  DeleteSet deletes;
  reader.read_deletes(deletes);
  if (!reader.ok()) {
    return Error(ErrorCode::malformed, "malformed update");
  }
  writer.write_deletes(std::move(deletes));
  return writer.finish();
}

}  // namespace syncline::ydoc
