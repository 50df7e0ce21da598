#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace syncline {

// Who is let in. Others get 401 without a token that counts, and else the answer of what is not
// there.
enum class Guard {
  none,             // anybody
  frames,           // whoever the hello's token lets read its workspace
  reader,           // a token that may read the workspace
  writer,           // and write in it
  workspace_admin,  // the right `a` in it, or the server's administrator
  server_admin,     // the claim "admin"
  open_server,      // anybody, on a server that asks for no tokens; elsewhere it is not there
};

struct Endpoint {
  const char* method;
  // "{db}" stands for a workspace's name.
  const char* path;
  Guard guard;
};

// Everything that the service answers; what is not here is not there. The matrix in
// routes/endpoints_test.cc tries each with everybody.
const std::vector<Endpoint>& endpoints();
bool is_endpoint(std::string_view path);

}  // namespace syncline
