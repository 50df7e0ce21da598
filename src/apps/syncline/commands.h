#pragma once

#include "apps/syncline/cli.h"
#include "apps/syncline/replica.h"

namespace syncline::cli {

// One function a command; docs/cli.md says what each does.

Result<int> run_init(const Arguments& arguments, Output& out);
Result<int> run_track(const Arguments& arguments, Output& out);
Result<int> run_untrack(const Arguments& arguments, Output& out);
Result<int> run_exec(const Arguments& arguments, Output& out);
Result<int> run_status(const Arguments& arguments, Output& out);
Result<int> run_log(const Arguments& arguments, Output& out);
Result<int> run_dump(const Arguments& arguments, Output& out);
Result<int> run_digest(const Arguments& arguments, Output& out);
Result<int> run_verify(const Arguments& arguments, Output& out);
Result<int> run_conflicts(const Arguments& arguments, Output& out);
Result<int> run_resolve(const Arguments& arguments, Output& out);
Result<int> run_rejected(const Arguments& arguments, Output& out);
Result<int> run_held(const Arguments& arguments, Output& out);
Result<int> run_resync(const Arguments& arguments, Output& out);
Result<int> run_export(const Arguments& arguments, Output& out);
Result<int> run_import(const Arguments& arguments, Output& out);
Result<int> run_sync(const Arguments& arguments, Output& out);
Result<int> run_watch(const Arguments& arguments, Output& out);
Result<int> run_doctor(const Arguments& arguments, Output& out);
Result<int> run_sim(const Arguments& arguments, Output& out);
Result<int> run_bench(const Arguments& arguments, Output& out);
Result<int> run_serve(const Arguments& arguments, Output& out);
Result<int> run_token(const Arguments& arguments, Output& out);
Result<int> run_server_dump(const Arguments& arguments, Output& out);
Result<int> run_server_log(const Arguments& arguments, Output& out);
Result<int> run_backup(const Arguments& arguments, Output& out);
Result<int> run_restore(const Arguments& arguments, Output& out);
Result<int> run_give(const Arguments& arguments, Output& out);
Result<int> run_gc(const Arguments& arguments, Output& out);
Result<int> run_manual(const Arguments& arguments, Output& out);
Result<int> run_completion(const Arguments& arguments, Output& out);

// What `status` shows.
Result<Json> status_of(Replica& replica);
// The server's database inside its data folder.
std::string log_path(const std::string& data);

}  // namespace syncline::cli
