#pragma once

namespace syncline {

// SQLite's files are kept by the page: OPFS, a folder or memory, as js/src/storage.ts chose. Makes
// this the default VFS. One connection a file: locks are only remembered, and whoever opens a
// database has made sure to be alone.
void register_page_storage();

}  // namespace syncline
