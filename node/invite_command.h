// The two sides of a join as commands: `weft invite` on a device that holds the authority, `weft
// join` on the new one. They find each other by mDNS (the invite's rendezvous tag, which tells
// nothing of the code) or by an address the user gives.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "node/cli.h"

namespace weft::node {

struct InviteOptions {
  std::string dir = default_data_dir();
  std::string listen = "0.0.0.0:0";
  std::vector<std::string> interfaces;
  bool yes = false;
  bool no_qr = false;
  bool json = false;
};
// Shows a code, waits until a device has joined with it or ten minutes are over. A code that was
// not used ends with the command.
Result<> run_invite(const InviteOptions& options);

struct JoinOptions {
  std::string code;
  std::string dir = default_data_dir();
  std::string name = default_node_name();
  std::string at;
  std::vector<std::string> interfaces;
  bool json = false;
};
// Finds the inviter, shows the six digits, stores the membership. kTimeout: nobody answered, with
// what to check.
Result<> run_join(JoinOptions options);

}  // namespace weft::node
