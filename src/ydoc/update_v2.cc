#include "ydoc/update_v2.h"

#include <array>

#include "ydoc/any.h"
#include "ydoc/struct_view.h"
#include "ydoc/utf.h"

namespace syncline::ydoc {

namespace {

Error malformed() { return Error(ErrorCode::malformed, "malformed update (format 2)"); }

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

}  // namespace syncline::ydoc
