#include "ydoc/update_v2.h"

#include <array>

#include "ydoc/any.h"
#include "ydoc/struct_view.h"
#include "ydoc/utf.h"

namespace syncline::ydoc {

namespace {

Error malformed() { return Error(ErrorCode::malformed, "malformed update (format 2)"); }

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

// --- columns, read

class UintReader {
 public:
  explicit UintReader(Bytes bytes) : in_(bytes) {}
  std::uint64_t read() {
    if (count_ == 0) {
      const Decoder::Signed value = in_.var_int();
      value_ = value.magnitude;
      count_ = value.negative ? in_.var_uint() + 2 : 1;
    }
    count_ -= 1;
    return value_;
  }
  bool ok() const { return in_.ok(); }

 private:
  Decoder in_;
  std::uint64_t value_ = 0;
  std::uint64_t count_ = 0;
};

class DifferenceReader {
 public:
  explicit DifferenceReader(Bytes bytes) : in_(bytes) {}
  std::uint64_t read() {
    if (count_ == 0) {
      const Decoder::Signed coded = in_.var_int();
      const auto magnitude = static_cast<std::int64_t>(coded.magnitude);
      const std::int64_t value = coded.negative ? -magnitude : magnitude;
      const bool has_count = (magnitude & 1) != 0;
      difference_ = (value - (has_count ? 1 : 0)) / 2;
      count_ = has_count ? in_.var_uint() + 2 : 1;
    }
    count_ -= 1;
    last_ += difference_;
    if (last_ < 0 || last_ > static_cast<std::int64_t>(safe_integer_max)) {
      in_.fail();
      last_ = 0;
    }
    return static_cast<std::uint64_t>(last_);
  }
  bool ok() const { return in_.ok(); }

 private:
  Decoder in_;
  std::int64_t last_ = 0;
  std::int64_t difference_ = 0;
  std::uint64_t count_ = 0;
};

class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : in_(bytes) {}
  std::uint8_t read() {
    if (count_ == 0 && !for_ever_) {
      value_ = in_.u8();
      for_ever_ = in_.at_end();
      count_ = for_ever_ ? 0 : in_.var_uint() + 1;
    }
    count_ -= for_ever_ ? 0 : 1;
    return value_;
  }
  bool ok() const { return in_.ok(); }

 private:
  Decoder in_;
  std::uint8_t value_ = 0;
  std::uint64_t count_ = 0;
  bool for_ever_ = false;
};

class StringReader {
 public:
  explicit StringReader(Bytes bytes)
      : in_(bytes), text_(to_utf16(in_.string())), lengths_(in_.raw(in_.remaining())) {}
  std::string read() {
    const std::uint64_t length = lengths_.read();
    if (length > text_.size() - at_) {
      in_.fail();
      return {};
    }
    const std::u16string_view units(text_.data() + at_, static_cast<std::size_t>(length));
    at_ += static_cast<std::size_t>(length);
    return to_utf8(units);
  }
  bool ok() const { return in_.ok() && lengths_.ok(); }

 private:
  Decoder in_;
  std::u16string text_;
  UintReader lengths_;
  std::size_t at_ = 0;
};

class V2Reader {
 public:
  V2Reader(Decoder& in, std::size_t bytes_max)
      : keys_(in.blob()),
        clients_(in.blob()),
        left_clocks_(in.blob()),
        right_clocks_(in.blob()),
        info_(in.blob()),
        strings_(in.blob()),
        parents_(in.blob()),
        types_(in.blob()),
        lengths_(in.blob()),
        rest_(in.raw(in.remaining())),
        bytes_max_(bytes_max) {}

  Result<ByteVector> to_v1() {
    const std::uint64_t sections = rest_.var_uint();
    out_.var_uint(sections);
    for (std::uint64_t i = 0; i < sections && ok(); ++i) {
      const std::uint64_t count = rest_.var_uint();
      out_.var_uint(count);
      out_.var_uint(clients_.read());
      out_.var_uint(rest_.var_uint());
      for (std::uint64_t k = 0; k < count && ok(); ++k) {
        copy_struct();
      }
    }
    copy_deletes();
    if (out_.size() > bytes_max_) {
      return Error(ErrorCode::too_large, "update too large (format 2)");
    }
    return ok() ? Result<ByteVector>(out_.take()) : malformed();
  }

 private:
  bool ok() const {
    return out_.size() <= bytes_max_ && keys_.ok() && clients_.ok() && left_clocks_.ok() &&
           right_clocks_.ok() && info_.ok() && strings_.ok() && parents_.ok() && types_.ok() &&
           lengths_.ok() && rest_.ok();
  }

  std::string read_key() {
    const std::uint64_t number = keys_.read();
    if (number < known_keys_.size()) {
      return known_keys_[static_cast<std::size_t>(number)];
    }
    known_keys_.push_back(strings_.read());
    return known_keys_.back();
  }
  void copy_json() {
    const Any value = read_any(rest_);
    out_.string(value.is_undefined() ? "null" : to_json(value));
  }

  void copy_struct() {
    const std::uint8_t info = info_.read();
    const auto kind = static_cast<ContentKind>(info & info_kind);
    if (kind == ContentKind::gc || kind == ContentKind::skip) {
      out_.u8(static_cast<std::uint8_t>(kind));
      out_.var_uint(kind == ContentKind::skip ? rest_.var_uint() : lengths_.read());
      return;
    }
    out_.u8(info);
    if ((info & info_origin) != 0) {
      out_.var_uint(clients_.read());
      out_.var_uint(left_clocks_.read());
    }
    if ((info & info_right_origin) != 0) {
      out_.var_uint(clients_.read());
      out_.var_uint(right_clocks_.read());
    }
    if ((info & (info_origin | info_right_origin)) == 0) {
      const bool by_name = parents_.read() == 1;
      out_.var_uint(by_name ? 1 : 0);
      if (by_name) {
        out_.string(strings_.read());
      } else {
        out_.var_uint(clients_.read());
        out_.var_uint(left_clocks_.read());
      }
      if ((info & info_key) != 0) {
        out_.string(strings_.read());
      }
    }
    copy_content(kind);
  }

  void copy_content(ContentKind kind) {
    switch (kind) {
      case ContentKind::gc:
      case ContentKind::skip:
        return;
      case ContentKind::deleted:
        return out_.var_uint(lengths_.read());
      case ContentKind::json: {
        const std::uint64_t count = lengths_.read();
        out_.var_uint(count);
        for (std::uint64_t i = 0; i < count && ok(); ++i) {
          out_.string(strings_.read());
        }
        return;
      }
      case ContentKind::binary:
        return out_.blob(rest_.blob());
      case ContentKind::string:
        return out_.string(strings_.read());
      case ContentKind::embed:
        return copy_json();
      case ContentKind::format:
        out_.string(read_key());
        return copy_json();
      case ContentKind::type: {
        const std::uint64_t type = types_.read();
        out_.var_uint(type);
        if (type == static_cast<std::uint64_t>(TypeKind::xml_element) ||
            type == static_cast<std::uint64_t>(TypeKind::xml_hook)) {
          out_.string(read_key());
        }
        return;
      }
      case ContentKind::any: {
        const std::uint64_t count = lengths_.read();
        out_.var_uint(count);
        for (std::uint64_t i = 0; i < count && ok(); ++i) {
          write_any(out_, read_any(rest_));
        }
        return;
      }
      case ContentKind::doc:
        out_.string(strings_.read());
        return write_any(out_, read_any(rest_));
    }
    rest_.fail();
  }

  void copy_deletes() {
    const std::uint64_t clients = rest_.var_uint();
    out_.var_uint(clients);
    for (std::uint64_t i = 0; i < clients && ok(); ++i) {
      out_.var_uint(rest_.var_uint());
      const std::uint64_t count = rest_.var_uint();
      out_.var_uint(count);
      Clock clock = 0;
      for (std::uint64_t k = 0; k < count && ok(); ++k) {
        clock += rest_.var_uint();
        const std::uint64_t length = rest_.var_uint() + 1;
        if (clock > safe_integer_max) {
          rest_.fail();
        }
        out_.var_uint(clock);
        out_.var_uint(length);
        clock += length;
      }
    }
  }

  DifferenceReader keys_;
  UintReader clients_;
  DifferenceReader left_clocks_;
  DifferenceReader right_clocks_;
  ByteReader info_;
  StringReader strings_;
  ByteReader parents_;
  UintReader types_;
  UintReader lengths_;
  Decoder rest_;
  std::size_t bytes_max_;
  std::vector<std::string> known_keys_;
  Encoder out_;
};

}  // namespace

Result<ByteVector> convert_v2_to_v1(Bytes update, const Limits& limits) {
  if (update.size() > limits.update_bytes_max) {
    return Error(ErrorCode::too_large, "update too large (format 2)");
  }
  Decoder in(update);
  in.var_uint();  // reserved
  V2Reader reader(in, limits.update_bytes_max);
  if (!in.ok()) {
    return malformed();
  }
  return reader.to_v1();
}

namespace {

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
