#pragma once

#include <vector>

#include "model/change.h"
#include "server/log_store.h"

namespace syncline {

// What a change did, a row of the audit for each row of it.
std::vector<AuditRow> audit_of(const Change& change);

}  // namespace syncline
