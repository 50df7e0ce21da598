#include "base/check.h"
#include "ydoc/doc.h"
#include "ydoc/merge.h"
#include "ydoc/update_v2.h"

using namespace syncline;
using namespace syncline::ydoc;

namespace {

DocOptions options(ClientId client) {
  DocOptions out;
  out.client_id = client;
  out.limits.conflict_steps_max = 100000;
  return out;
}

void edit(Doc& doc) {
  for (const std::string& name : doc.root_names()) {
    Text text(doc.root(name, TypeKind::text));
    SL_CHECK(text.insert(text.length() / 2, std::string_view("x")).has_value());
    SL_CHECK(text.format(0, text.length(), {{"b", Any::boolean(true)}}).has_value());
    SL_CHECK(text.remove(0, 2).has_value());
    (void)to_any(text);
  }
}

}  // namespace

// Any update that is accepted leaves a document whose own state another one accepts and repeats,
// and that can be edited; what reads updates without a document accepts it, too.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes(data, size);
  Doc doc(options(1));
  if (!doc.apply_update(bytes)) {
    return 0;
  }
  const Bytes twice[] = {bytes, bytes};
  SL_CHECK(merge_updates(twice).has_value());
  SL_CHECK(diff_update(bytes, {}).has_value());
  SL_CHECK(state_vector_from_update(bytes).has_value());
  const bool waits = doc.has_pending_structs() || doc.has_pending_deletes();
  SL_CHECK(is_covered(bytes, doc.state_vector()).value() == !waits);
  const Result<ByteVector> second = convert_v1_to_v2(bytes);
  SL_CHECK(second.has_value());
  SL_CHECK(convert_v2_to_v1(*second).has_value());
  const Result<ByteVector> state = doc.encode_state_as_update();
  SL_CHECK(state.has_value());
  Doc again(options(2));
  SL_CHECK(again.apply_update(*state).has_value());
  SL_CHECK(again.state_vector() == doc.state_vector());
  edit(doc);
  const Result<ByteVector> edited = doc.encode_state_as_update(again.state_vector());
  SL_CHECK(edited.has_value());
  SL_CHECK(again.apply_update(*edited).has_value());
  // Our edits may be what waiting structs waited for; only the one that takes them in tries those.
  SL_CHECK(doc.has_pending_structs() || again.state_vector() == doc.state_vector());
  return 0;
}
