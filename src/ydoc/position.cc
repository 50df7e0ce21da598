#include "ydoc/position.h"

#include "ydoc/edit.h"
#include "ydoc/list_index.h"
#include "ydoc/store.h"

namespace syncline::ydoc {

namespace {

RelativePosition whole_type(Type type, std::int64_t association) {
  RelativePosition out;
  out.association = association;
  if (type.is_root()) {
    out.root = type.branch()->store->key_text(type.branch()->root);
  } else {
    out.type = type.id();
  }
  return out;
}

std::uint64_t units_before(const Item* item) {
  if (item->leaf != nullptr) {
    return index_position(item);
  }
  std::uint64_t units = 0;
  for (const Item* left = item->left; left != nullptr; left = left->left) {
    units += left->visible_length();
  }
  return units;
}

Any id_to_any(Id id) {
  return Any::object({{"client", Any::number(static_cast<double>(id.client))},
                      {"clock", Any::number(static_cast<double>(id.clock))}});
}

Result<std::optional<Id>> id_from(const Any& value, std::string_view member) {
  const Any* id = value.find(member);
  if (id == nullptr || id->is_null()) {
    return std::optional<Id>();
  }
  const Any* client = id->find("client");
  const Any* clock = id->find("clock");
  const auto whole = [](const Any* number) {
    return number != nullptr && number->kind() == Any::Kind::number && number->as_number() >= 0 &&
           number->as_number() <= static_cast<double>(safe_integer_max);
  };
  if (!whole(client) || !whole(clock)) {
    return Error(ErrorCode::malformed, "malformed relative position");
  }
  return std::optional<Id>(
      Id{static_cast<ClientId>(client->as_number()), static_cast<Clock>(clock->as_number())});
}

}  // namespace

RelativePosition relative_position(Type type, std::uint64_t index, std::int64_t association) {
  Branch* branch = type.branch();
  if (association < 0) {
    if (index == 0) {
      return whole_type(type, association);
    }
    index -= 1;
  }
  RelativePosition out;
  out.association = association;
  if (index < branch->length) {
    const ListHit hit = list_find(branch, index);
    out.item = Id{hit.item->client->id, hit.item->clock + hit.offset};
    return out;
  }
  if (association < 0) {
    const Item* last = branch->start;
    while (last != nullptr && last->right != nullptr) {
      last = last->right;
    }
    if (last != nullptr) {
      out.item = Id{last->client->id, last->end() - 1};
      return out;
    }
  }
  return whole_type(type, association);
}

std::optional<AbsolutePosition> absolute_position(Doc& doc, const RelativePosition& position) {
  Store& store = doc.store();
  AbsolutePosition out;
  out.association = position.association;
  if (position.item) {
    Id id = *position.item;
    const Item* item = store.find(id);
    while (item != nullptr && (item->flags & flag_redone) != 0) {
      const std::uint64_t offset = id.clock - item->clock;
      id = store.redone.at({item->client->id, item->clock});
      id.clock += offset;
      item = store.find(id);
    }
    if (item == nullptr || item->kind == ContentKind::gc) {
      return std::nullopt;
    }
    out.type = Type(item->parent);
    if (!out.type.deleted() && item->in_list()) {
      const std::uint64_t inside = id.clock - item->clock + (position.association < 0 ? 1U : 0U);
      out.index = units_before(item) + (item->visible() ? inside : 0);
    }
    return out;
  }
  if (position.root) {
    out.type = Type(store.root(*position.root));
  } else if (position.type) {
    const Item* holder = store.find(*position.type);
    if (holder == nullptr || holder->kind != ContentKind::type) {
      return std::nullopt;
    }
    out.type = Type(holder->content.branch);
  } else {
    return std::nullopt;
  }
  out.index = position.association >= 0 ? out.type.length() : 0;
  return out;
}

ByteVector encode_relative_position(const RelativePosition& position) {
  Encoder out;
  if (position.item) {
    out.u8(0);
    out.var_uint(position.item->client);
    out.var_uint(position.item->clock);
  } else if (position.root) {
    out.u8(1);
    out.string(*position.root);
  } else {
    const Id type = position.type.value_or(Id{});
    out.u8(2);
    out.var_uint(type.client);
    out.var_uint(type.clock);
  }
  const bool minus = position.association < 0;
  out.var_int(minus ? Encoder::Sign::minus : Encoder::Sign::plus,
              static_cast<std::uint64_t>(minus ? -position.association : position.association));
  return out.take();
}

Result<RelativePosition> decode_relative_position(Bytes bytes) {
  Decoder in(bytes);
  RelativePosition out;
  const std::uint64_t form = in.var_uint();
  if (form == 1) {
    out.root = std::string(in.string());
  } else if (form == 0 || form == 2) {
    const ClientId client = in.var_uint();
    const Clock clock = in.var_uint();
    (form == 0 ? out.item : out.type) = Id{client, clock};
  } else {
    in.fail();
  }
  if (in.ok() && !in.at_end()) {
    const Decoder::Signed association = in.var_int();
    const auto magnitude = static_cast<std::int64_t>(association.magnitude);
    out.association = association.negative ? -magnitude : magnitude;
  }
  if (!in.ok()) {
    return Error(ErrorCode::malformed, "malformed relative position");
  }
  return out;
}

Any relative_position_to_any(Type type, const RelativePosition& position) {
  Any::Object out;
  const RelativePosition holder = whole_type(type, 0);
  if (holder.type) {
    out.emplace_back("type", id_to_any(*holder.type));
  }
  if (holder.root) {
    out.emplace_back("tname", Any::string(*holder.root));
  }
  if (position.item) {
    out.emplace_back("item", id_to_any(*position.item));
  }
  out.emplace_back("assoc", Any::number(static_cast<double>(position.association)));
  return Any::object(std::move(out));
}

Result<RelativePosition> relative_position_from_any(const Any& value) {
  RelativePosition out;
  SL_TRY(out.type, id_from(value, "type"));
  SL_TRY(out.item, id_from(value, "item"));
  if (const Any* root = value.find("tname"); root != nullptr && root->kind() == Any::Kind::string) {
    out.root = root->as_string();
  }
  if (const Any* assoc = value.find("assoc");
      assoc != nullptr && assoc->kind() == Any::Kind::number) {
    out.association = assoc->as_number() < 0 ? -1 : 0;
  }
  return out;
}

}  // namespace syncline::ydoc
