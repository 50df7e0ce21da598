#pragma once

#include <string>

#include "base/value_view.h"

namespace syncline {

// One SQLite value as JSON, for dumps, views and status: equal values have equal text and different
// values different text. Integers are numbers without a point, reals numbers with a point or an
// exponent, and what JSON has no form for is an object of one member:
//
//   {"base64":"AAE="}        a blob
//   {"real":"inf"}           an infinity ("inf", "-inf") or "nan"
//   {"text_base64":"/w=="}   a text that is not valid Unicode
void append_value_json(std::string& out, const ValueView& value);
std::string value_json(const ValueView& value);

}  // namespace syncline
