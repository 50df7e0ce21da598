#include "ydoc/struct_view.h"

#include <optional>

#include "ydoc/utf.h"

namespace syncline::ydoc {

void rewrite_json(Encoder& out, std::string_view text) {
  if (text == "undefined") {
    out.string(text);
    return;
  }
  const Result<Any> value = from_json(text);
  out.string(value ? to_json(*value) : std::string(text));
}

namespace {

constexpr std::uint64_t type_kinds = 7;

void note(Scan scan, Decoder& in, bool& canonical) {
  if (scan == Scan::malformed) {
    in.fail();
  } else if (scan == Scan::other) {
    canonical = false;
  }
}

// A var_uint whose padding, if any, is noticed: Yjs would write it shorter.
std::uint64_t tight_uint(Decoder& in, bool& canonical) {
  const std::uint8_t* const begin = in.position();
  const std::uint64_t value = in.var_uint();
  const std::uint8_t* const end = in.position();
  if (end - begin > 1 && in.ok() && end[-1] == 0) {
    canonical = false;
  }
  return value;
}

std::string_view tight_string(Decoder& in, bool& canonical) {
  const std::size_t size = static_cast<std::size_t>(tight_uint(in, canonical));
  const Bytes bytes = in.raw(size);
  if (!utf16_length(bytes)) {
    in.fail();
    return {};
  }
  return as_text(bytes);
}

Id tight_id(Decoder& in, bool& canonical) {
  const ClientId client = tight_uint(in, canonical);
  const Clock clock = tight_uint(in, canonical);
  return {client, clock};
}

std::uint64_t scan_string(Decoder& in, bool& canonical) {
  const std::size_t size = static_cast<std::size_t>(tight_uint(in, canonical));
  const std::optional<std::size_t> units = utf16_length(in.raw(size));
  if (!units) {
    in.fail();
  }
  return units.value_or(0);
}

std::uint64_t scan_json_values(Decoder& in, bool& canonical) {
  const std::uint64_t count = tight_uint(in, canonical);
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const std::string_view text = tight_string(in, canonical);
    if (text != "undefined") {
      note(in.ok() ? scan_json(text) : Scan::malformed, in, canonical);
    }
  }
  return count;
}

std::uint64_t scan_any_values(Decoder& in, bool& canonical) {
  const std::uint64_t count = tight_uint(in, canonical);
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    note(scan_any(in), in, canonical);
  }
  return count;
}

std::uint64_t scan_type(Decoder& in, bool& canonical) {
  const std::uint64_t kind = tight_uint(in, canonical);
  if (kind >= type_kinds) {
    in.fail();
  } else if (kind == static_cast<std::uint64_t>(TypeKind::xml_element) ||
             kind == static_cast<std::uint64_t>(TypeKind::xml_hook)) {
    tight_string(in, canonical);
  }
  return 1;
}

// Moves over the content and gives its length in units.
std::uint64_t scan_content(Decoder& in, ContentKind kind, bool& canonical) {
  switch (kind) {
    case ContentKind::gc:
    case ContentKind::skip:
    case ContentKind::deleted:
      return tight_uint(in, canonical);
    case ContentKind::json:
      return scan_json_values(in, canonical);
    case ContentKind::binary:
      in.raw(static_cast<std::size_t>(tight_uint(in, canonical)));
      return 1;
    case ContentKind::string:
      return scan_string(in, canonical);
    case ContentKind::embed: {
      const std::string_view text = tight_string(in, canonical);
      note(in.ok() ? scan_json(text) : Scan::malformed, in, canonical);
      return 1;
    }
    case ContentKind::format: {
      tight_string(in, canonical);
      const std::string_view text = tight_string(in, canonical);
      note(in.ok() ? scan_json(text) : Scan::malformed, in, canonical);
      return 1;
    }
    case ContentKind::type:
      return scan_type(in, canonical);
    case ContentKind::any:
      return scan_any_values(in, canonical);
    case ContentKind::doc:
      tight_string(in, canonical);
      note(scan_any(in), in, canonical);
      return 1;
  }
  in.fail();
  return 0;
}

void write_json_values(Encoder& out, Decoder in, std::uint64_t offset) {
  const std::uint64_t count = in.var_uint();
  out.var_uint(count - offset);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string_view text = in.string();
    if (i >= offset) {
      rewrite_json(out, text);
    }
  }
}

void write_any_values(Encoder& out, Decoder in, std::uint64_t offset) {
  const std::uint64_t count = in.var_uint();
  out.var_uint(count - offset);
  for (std::uint64_t i = 0; i < count; ++i) {
    if (i < offset) {
      scan_any(in);
    } else {
      write_any(out, read_any(in));
    }
  }
}

// The slow way, which decodes and encodes: for cut structs and for bytes Yjs would not write.
void write_content(Encoder& out, const StructView& view, std::uint64_t offset) {
  Decoder in(view.content_bytes());
  switch (view.kind) {
    case ContentKind::gc:
    case ContentKind::skip:
    case ContentKind::deleted:
      out.var_uint(view.length - offset);
      break;
    case ContentKind::json:
      write_json_values(out, in, offset);
      break;
    case ContentKind::binary:
      out.blob(in.blob());
      break;
    case ContentKind::string:
      write_string_tail(out, in.blob(), offset);
      break;
    case ContentKind::embed:
      rewrite_json(out, in.string());
      break;
    case ContentKind::format:
      out.string(in.string());
      rewrite_json(out, in.string());
      break;
    case ContentKind::type: {
      out.var_uint(in.var_uint());
      if (!in.at_end()) {
        out.string(in.string());
      }
      break;
    }
    case ContentKind::any:
      write_any_values(out, in, offset);
      break;
    case ContentKind::doc:
      out.string(in.string());
      write_any(out, read_any(in));
      break;
  }
}

void write_id(Encoder& out, Id id) {
  out.var_uint(id.client);
  out.var_uint(id.clock);
}

}  // namespace

bool read_struct(Decoder& in, ClientId client, Clock clock, StructView& out) {
  out.info = in.u8();
  const std::uint8_t kind = out.info & info_kind;
  if (kind > static_cast<std::uint8_t>(ContentKind::skip)) {
    in.fail();
    return false;
  }
  out.client = client;
  out.clock = clock;
  out.kind = static_cast<ContentKind>(kind);
  out.canonical = true;
  out.has_key = false;
  out.body = in.position();
  if (out.is_item()) {
    if (out.has_origin()) {
      out.origin = tight_id(in, out.canonical);
    }
    if (out.has_right_origin()) {
      out.right_origin = tight_id(in, out.canonical);
    }
    if (out.has_parent()) {
      const std::uint64_t by_name = tight_uint(in, out.canonical);
      out.root_parent = by_name == 1;
      out.canonical = out.canonical && by_name <= 1;
      if (out.root_parent) {
        out.root_name = tight_string(in, out.canonical);
      } else {
        out.parent = tight_id(in, out.canonical);
      }
      out.has_key = (out.info & info_key) != 0;
      if (out.has_key) {
        out.key = tight_string(in, out.canonical);
      }
    }
  } else {
    out.info = kind;
  }
  out.content = in.position();
  out.length = scan_content(in, out.kind, out.canonical);
  out.end = in.position();
  // Nothing has length zero, and an item never names its own or a later unit of its own client.
  const bool looks_ahead =
      (out.has_origin() && out.origin.client == client && out.origin.clock >= clock) ||
      (out.has_right_origin() && out.right_origin.client == client &&
       out.right_origin.clock >= clock) ||
      (out.is_item() && out.has_parent() && !out.root_parent && out.parent.client == client &&
       out.parent.clock >= clock);
  if (out.length == 0 || clock + out.length > safe_integer_max || looks_ahead) {
    in.fail();
  }
  return in.ok();
}

void write_struct(Encoder& out, const StructView& view, std::uint64_t offset) {
  if (view.canonical && offset == 0) {
    const std::uint8_t drop = view.is_item() && !view.has_parent() ? info_key : 0;
    out.u8(static_cast<std::uint8_t>(view.info & ~drop));
    out.raw({view.body, static_cast<std::size_t>(view.end - view.body)});
    return;
  }
  if (!view.is_item()) {
    out.u8(static_cast<std::uint8_t>(view.kind));
    out.var_uint(view.length - offset);
    return;
  }
  const bool origin = view.has_origin() || offset > 0;
  out.u8(static_cast<std::uint8_t>(static_cast<unsigned>(view.kind) | (origin ? info_origin : 0U) |
                                   (view.info & info_right_origin) |
                                   (view.has_key ? info_key : 0U)));
  if (origin) {
    write_id(out, offset > 0 ? Id{view.client, view.clock + offset - 1} : view.origin);
  }
  if (view.has_right_origin()) {
    write_id(out, view.right_origin);
  }
  if (!origin && !view.has_right_origin()) {
    out.var_uint(view.root_parent ? 1 : 0);
    if (view.root_parent) {
      out.string(view.root_name);
    } else {
      write_id(out, view.parent);
    }
    if (view.has_key) {
      out.string(view.key);
    }
  }
  write_content(out, view, offset);
}

void SectionWriter::write(const StructView& view, std::uint64_t offset) {
  if (sections_.empty() || sections_.back().client != view.client || closed_) {
    sections_.push_back({view.client, view.clock + offset, 0, body_.size()});
    closed_ = false;
  }
  write_struct(body_, view, offset);
  sections_.back().count += 1;
}

ByteVector SectionWriter::finish(const DeleteSet& deletes) {
  Encoder out;
  out.room(body_.size() + sections_.size() * 16 + 16);
  out.var_uint(sections_.size());
  for (std::size_t i = 0; i < sections_.size(); ++i) {
    const Section& section = sections_[i];
    const std::size_t end = i + 1 < sections_.size() ? sections_[i + 1].begin : body_.size();
    out.var_uint(section.count);
    out.var_uint(section.client);
    out.var_uint(section.clock);
    out.raw(body_.bytes().subspan(section.begin, end - section.begin));
  }
  deletes.write(out);
  return out.take();
}

void write_string_tail(Encoder& out, Bytes utf8, std::uint64_t offset) {
  std::size_t i = 0;
  std::uint64_t units = 0;
  while (units < offset && i < utf8.size()) {
    const std::uint8_t lead = utf8[i];
    const std::size_t size = lead < 0x80U ? 1 : lead < 0xe0U ? 2 : lead < 0xf0U ? 3 : 4;
    units += size == 4 ? 2 : 1;
    i += size;
  }
  const Bytes rest = utf8.subspan(i);
  if (units == offset) {
    out.blob(rest);
    return;
  }
  out.var_uint(rest.size() + 3);
  const std::uint8_t replacement[] = {0xef, 0xbf, 0xbd};
  out.raw(replacement);
  out.raw(rest);
}

}  // namespace syncline::ydoc
