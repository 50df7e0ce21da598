#pragma once

// The one door to SQLite's C API. Inside the loadable extension every call goes through the host's
// table of functions (sqlite3ext.h), because the host brings its own SQLite; everywhere else it is
// linked in. Only functions that SQLite 3.38 already had are called: the host may be that old.
#ifdef SYNCLINE_SQLITE_EXTENSION
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3
#else
#include <sqlite3.h>
#endif
