// Looks at a replica and its server, and says in words what is wrong and what to do about it.
#include <sys/statvfs.h>

#include <algorithm>

#include "apps/syncline/commands.h"
#include "apps/syncline/token_file.h"
#include "base/base64.h"
#include "base/text.h"
#include "client/sync_state.h"
#include "client/verify.h"
#include "net/http_fetch.h"
#include "routes/sync.h"
#include "wire/codec.h"

namespace syncline::cli {
namespace {

// Less than this on the disk is a problem soon.
constexpr std::uint64_t disk_bytes_min = std::uint64_t{32} << 20U;
// What the server accepts of clocks that run ahead is a minute; half of it is worth a word.
constexpr std::int64_t clock_ms_max = 30'000;

std::string text_of(const Json& json, const char* name) {
  const Json* found = json.find(name);
  return found == nullptr || found->string() == nullptr ? "" : *found->string();
}

std::string percent_encoded(const std::string& text) {
  constexpr const char* digits = "0123456789ABCDEF";
  std::string out;
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    const bool plain = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                       (letter >= '0' && letter <= '9') || letter == '-' || letter == '_' ||
                       letter == '.' || letter == '~';
    if (plain) {
      out.push_back(letter);
    } else {
      out += std::string("%") + digits[byte >> 4U] + digits[byte & 15U];
    }
  }
  return out;
}

class Doctor {
 public:
  Doctor(const Arguments& arguments, Output& out) : arguments_(arguments), out_(out) {}

  Result<int> run() {
    look_at_space();
    auto opened = Replica::open_initialised(arguments_.get("db"));
    if (opened) {
      replica_ = std::move(*opened);
      SL_TRY(look_at_everything());
    } else if (exit_code_of(opened.error().code()) == exit_storage) {
      storage_problem(opened.error());
    } else {
      return opened.error();
    }
    Json answer;
    answer.set("ev", Json("verdict"));
    answer.set("ok", Json(problems_.empty()));
    Json::Array names;
    for (const std::string& name : problems_) {
      names.emplace_back(name);
    }
    answer.set("problems", Json(std::move(names)));
    out_.row(answer);
    return exit_;
  }

 private:
  Result<void> look_at_everything() {
    look_at_writing();
    SL_TRY(look_at_file());
    SL_TRY(look_at_tables());
    SL_TRY(look_at_work());
    SL_TRY(const std::string token, read_token(arguments_));
    look_at_token(token);
    if (arguments_.has("server")) {
      SL_TRY(look_at_server(token));
    }
    return look_at_last_try();
  }

  void fine(const char* check, const std::string& message) { tell("fine", check, message, ""); }
  void hint(const char* check, const std::string& message, const std::string& advice) {
    tell("hint", check, message, advice);
  }
  // The first problem decides the exit code: what comes after it often follows from it.
  void problem(const char* code, int exit_code, const std::string& message,
               const std::string& advice) {
    if (std::find(problems_.begin(), problems_.end(), code) == problems_.end()) {
      problems_.emplace_back(code);
    }
    exit_ = exit_ == exit_ok ? exit_code : exit_;
    tell("problem", code, message, advice);
  }
  void tell(const char* event, const char* code, const std::string& message,
            const std::string& advice) {
    Json line;
    line.set("ev", Json(event));
    line.set("code", Json(code));
    line.set("message", Json(to_valid_utf8(message)));
    if (!advice.empty()) {
      line.set("advice", Json(advice));
    }
    out_.row(line);
  }

  // --- The file
  // -----------------------------------------------------------------------------------

  void look_at_space() {
    const std::string path = arguments_.get("db");
    const std::size_t slash = path.rfind('/');
    struct statvfs facts {};
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    if (::statvfs(folder.c_str(), &facts) != 0) {
      return;
    }
    const std::uint64_t left = std::uint64_t{facts.f_bavail} * facts.f_frsize;
    if (left < disk_bytes_min) {
      problem("disk_full", exit_storage,
              "only " + std::to_string(left >> 20U) + " MiB are left on the disk of " + path,
              "free some space; nothing is lost, and syncing goes on by itself");
    } else {
      fine("space", "there is room on the disk");
    }
  }

  void storage_problem(const Error& error) {
    if (error.code() == ErrorCode::full) {
      problem("disk_full", exit_storage, "the disk is full: " + error.message(),
              "free some space; nothing is lost, and syncing goes on by itself");
    } else {
      problem("storage", exit_storage, error.message(),
              "look at the file, its rights and its disk");
    }
  }

  // A write that really happens finds what numbers hide: quotas, read-only disks, rights.
  void look_at_writing() {
    const auto written =
        replica_->engine().meta().set("doctor", ValueView::of(replica_->clock().now_ms()));
    if (written) {
      fine("disk", "the database can be written");
    } else if (written.error().retryable()) {
      hint("busy", "another program has been writing for seconds: " + written.error().message(),
           "everything waits for it; end it if it hangs");
    } else {
      storage_problem(written.error());
    }
  }

  Result<void> look_at_file() {
    SL_TRY(const std::vector<std::string> found, verify(replica_->engine()));
    for (const std::string& one : found) {
      const bool unseen = one.find("capture never saw") != std::string::npos ||
                          one.find("lacks some of its triggers") != std::string::npos;
      if (unseen) {
        problem("written_without_extension", exit_storage,
                "a program without the extension wrote here: " + one,
                "load the extension in every program that writes; resync, or SELECT "
                "syncline_rescan() with the extension loaded, puts its rows into a change");
      } else {
        problem("damaged", exit_storage, one,
                "export --pending keeps unsent changes; resync fetches the rest anew");
      }
    }
    if (found.empty()) {
      fine("file", "the file and what is kept about its rows are sound");
    }
    return {};
  }

  Result<void> look_at_tables() {
    SL_TRY(Statement names,
           replica_->connection().prepare(
               "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' "
               "ESCAPE '\\' AND name NOT LIKE 'syncline\\_%' ESCAPE '\\' AND name NOT IN (SELECT "
               "name FROM syncline_tables) ORDER BY name"));
    bool all = true;
    for (;;) {
      SL_TRY(const bool found, names.step());
      if (!found) {
        break;
      }
      all = false;
      const std::string name(names.column_text(0));
      problem("table_not_tracked", exit_not_found, "the table \"" + name + "\" is not synced",
              "syncline track --db " + arguments_.get("db") + " " + name +
                  "; ignore this when it is meant to stay here");
    }
    if (all) {
      fine("tables", "every table is synced");
    }
    return {};
  }

  Result<void> look_at_work() {
    SL_TRY(const Engine::Counts counts, replica_->engine().counts());
    const std::string db = arguments_.get("db");
    if (counts.rejected > 0) {
      SL_TRY(const auto first, replica_->engine().rejected().list(1));
      problem("change_rejected", exit_refused,
              std::to_string(counts.rejected) + " changes were refused by the server, the first: " +
                  (first.empty() ? "" : first[0].code + ": " + first[0].message),
              "syncline rejected --db " + db +
                  " lists them; retry, edit or discard each. Nothing else waits for them");
    }
    if (counts.held > 0) {
      hint("rows_held", std::to_string(counts.held) + " rows do not fit the schema here yet",
           "syncline held --db " + db + " says why; they are installed as soon as they fit");
    }
    if (counts.conflicts > 0) {
      hint("conflicts", std::to_string(counts.conflicts) + " conflicts are open",
           "syncline conflicts --db " + db + " lists them; resolve settles each");
    }
    if (counts.pending > 0) {
      hint("pending", std::to_string(counts.pending) + " changes are not acknowledged yet",
           "syncline sync --db " + db + " --server URL --until-idle sends them");
    } else {
      fine("outbox", "everything was acknowledged");
    }
    return {};
  }

  // What the last session said, when nobody has looked since.
  Result<void> look_at_last_try() {
    SL_TRY(const SyncState state, read_sync_state(replica_->engine()));
    if (!problems_.empty() || state.trouble == Trouble::none ||
        state.trouble == Trouble::unreachable) {
      return {};
    }
    hint("last_try", "the last attempt to sync ended with: " + state.message, state.advice);
    return {};
  }

  // --- The token
  // ----------------------------------------------------------------------------------

  void look_at_token(const std::string& token) {
    if (token.empty()) {
      return;
    }
    const std::size_t first = token.find('.');
    const std::size_t second = token.find('.', first == std::string::npos ? first : first + 1);
    const auto bytes = second == std::string::npos
                           ? Result<ByteVector>(Error(ErrorCode::malformed, "no JWT"))
                           : from_base64url(token.substr(first + 1, second - first - 1));
    const auto claims = bytes ? read_json(as_text(*bytes)) : Result<Json>(bytes.error());
    if (!claims) {
      problem("token_malformed", exit_not_allowed, "the token is none: it cannot be read",
              "sign in again, or mint one with syncline token");
      return;
    }
    const Json* end = claims->find("exp");
    const std::int64_t expires = end == nullptr ? 0 : end->as_int64().value_or(0);  // 0: none
    const std::int64_t now = replica_->clock().now_ms() / 1000;
    if (expires != 0 && expires < now) {
      problem("token_expired", exit_not_allowed,
              "the token ended " + std::to_string(now - expires) + " seconds ago",
              "sign in again; a process with --token-file reads the new one by itself");
    } else {
      fine("token",
           "the token can be read" + (expires != 0 ? ", and lives for another " +
                                                         std::to_string(expires - now) + " seconds"
                                                   : std::string()));
    }
  }

  // --- The server
  // ---------------------------------------------------------------------------------

  Result<void> look_at_server(const std::string& token) {
    TransportOptions options;
    options.authorities = arguments_.get("ca-file");
    // A hello of a version that nobody speaks: the refusal tells the time and changes nothing.
    Hello hello;
    Request ask;
    ask.method = "POST";
    ask.path = sync_path;
    Writer body;
    append_frame(body, *encode_message(hello));  // it is empty, and within every limit
    ask.body = std::string(as_text(body.bytes()));
    const Fetched fetched = fetch(arguments_.get("server"), ask, options);
    if (!fetched.reply) {
      return unreachable(fetched);
    }
    const Reply& reply = *fetched.reply;
    Reader in(as_bytes(reply.body));
    const auto frame = read_frame(in);
    const auto message = frame ? decode_message(*frame) : Result<Message>(frame.error());
    const Refused* refused = message ? std::get_if<Refused>(&*message) : nullptr;
    if (reply.status != 200 || refused == nullptr) {
      problem("server_unreachable", exit_unreachable,
              "what answers there with status " + std::to_string(reply.status) +
                  " is no Syncline server",
              "check the URL, and what stands between");
      return {};
    }
    fine("server", "the server answers");
    const std::int64_t ahead = replica_->clock().now_ms() - refused->server_time_ms;
    if (ahead > clock_ms_max || ahead < -clock_ms_max) {
      problem("clock_off", exit_refused,
              "this device's clock is " + std::to_string(std::abs(ahead) / 1000) + " seconds " +
                  (ahead > 0 ? "ahead of" : "behind") + " the server's",
              "set this device's clock; changes are stamped by the server's time as soon as it is "
              "met, and none is lost");
    } else {
      fine("clock", "the clocks agree");
    }
    return look_at_workspace(token, options);
  }

  Result<void> unreachable(const Fetched& fetched) {
    const std::string& why = fetched.reply.error().message();
    if (fetched.reply.error().code() == ErrorCode::invalid_argument &&
        fetched.stage == FetchStage::name) {
      return fetched.reply.error();
    }
    if (fetched.stage == FetchStage::tls) {
      problem("tls", exit_unreachable, why,
              "check the server's certificate: its name, its end, who signed it; --ca-file names "
              "an authority of your own");
    } else {
      problem("server_unreachable", exit_unreachable, why,
              "check the network, the URL and whether the server runs; work goes on offline");
    }
    return {};
  }

  Result<void> look_at_workspace(const std::string& token, const TransportOptions& options) {
    Engine& engine = replica_->engine();
    SL_TRY(const std::string workspace, engine.meta().text(meta_name::workspace));
    Request ask;
    ask.method = "GET";
    ask.path = "/" + percent_encoded(workspace) + "/meta";
    if (!token.empty()) {
      ask.headers.push_back({"Authorization", "Bearer " + token});
    }
    const Fetched fetched = fetch(arguments_.get("server"), ask, options);
    if (!fetched.reply) {
      return unreachable(fetched);
    }
    const auto json = read_json(fetched.reply->body);
    if (fetched.reply->status == 401) {
      const Json* error = json ? json->find("error") : nullptr;
      problem("not_allowed", exit_not_allowed,
              "the server refuses the token: " +
                  (error == nullptr ? std::string() : text_of(*error, "message")),
              "sign in again, or ask for access");
      return {};
    }
    if (fetched.reply->status != 200 || !json) {
      hint("workspace", "the server knows no workspace \"" + workspace + "\" for this token",
           "the first sync makes it, if the token names it");
      return {};
    }
    SL_TRY(const ByteVector lineage, engine.meta().blob(meta_name::lineage));
    const std::string theirs = text_of(*json, "lineage");
    if (!lineage.empty() && to_hex(lineage) != theirs) {
      problem("lineage_changed", exit_bootstrap_needed,
              "the server is another one than before: it was restored from a backup or built anew",
              "sync compares all rows and sends what the server lacks; resync begins anew");
    } else {
      fine("lineage", "it is the server that this replica knows");
    }
    return look_at_schema(*json);
  }

  Result<void> look_at_schema(const Json& meta) {
    SL_TRY(const ByteVector bytes, from_base64(text_of(meta, "schema")));
    Reader in(bytes);
    SL_TRY(const Schema theirs, decode_schema(in));
    SL_TRY(const Schema ours, replica_->engine().schema());
    if (const auto fits = check_compatible(theirs, ours); !fits) {
      problem("schema_mismatch", exit_incompatible, fits.error().message(),
              "update the application, or the schema on the server; changes wait and are not lost");
    } else {
      fine("schema", "the schemas can live together");
    }
    return {};
  }

  const Arguments& arguments_;
  Output& out_;
  std::unique_ptr<Replica> replica_;
  std::vector<std::string> problems_;
  int exit_ = exit_ok;
};

}  // namespace

Result<int> run_doctor(const Arguments& arguments, Output& out) {
  return Doctor(arguments, out).run();
}

}  // namespace syncline::cli
