// weft init, invite, join, members, revoke: who may join, as docs/trust.md tells it.
#include <cstdio>
#include <iostream>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/text.h"
#include "crypto/trust_store.h"
#include "node/cli.h"
#include "node/invite_command.h"
#include "node/trust_folder.h"

namespace weft::node {
namespace {

struct TrustOptions {
  std::string dir = default_data_dir();
  std::string name = default_node_name();
  bool json = false;
};

std::string date_text(int64_t unix_seconds) {
  const std::time_t time = unix_seconds;
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[16];
  std::strftime(text, sizeof text, "%Y-%m-%d", &parts);
  return text;
}

Result<> run_init(const TrustOptions& options, const std::string& recovery_code) {
  WEFT_TRY(crypto::TrustStore store, open_trust(options.dir));
  const int64_t now = SystemClock().unix_seconds();
  if (!recovery_code.empty()) {
    WEFT_CHECK(store.restore_authority(recovery_code, options.name, now));
    std::fprintf(stderr, "This device holds the mesh's authority again.\n");
    return {};
  }
  WEFT_TRY(crypto::NewMesh mesh, store.create_mesh(options.name, now));
  if (options.json) {
    std::cout << nlohmann::json{{"cluster_id", to_string(mesh.cluster_id)},
                                {"name", options.name},
                                {"recovery_code", mesh.recovery_code}} << std::endl;
  } else {
    std::printf("A new mesh, with this device ('%s') as its first member.\n"
                "Recovery code, shown once; keep it on paper:\n\n  %s\n\n"
                "Next: `weft up` here, `weft invite` for each further device.\n",
                options.name.c_str(), mesh.recovery_code.c_str());
  }
  crypto::wipe(mesh.recovery_code);
  return {};
}

struct MembersOptions {
  bool renew = false;
  bool clear_alarm = false;
};

Result<> run_members(const TrustOptions& options, const MembersOptions& members) {
  WEFT_TRY(crypto::TrustStore store, open_trust(options.dir));
  if (members.clear_alarm) {
    WEFT_CHECK(store.clear_alarm());
    std::fprintf(stderr, "The alarm is cleared; this device takes part in joins again.\n");
  }
  const int64_t now = SystemClock().unix_seconds();
  if (members.renew) {
    WEFT_TRY(const crypto::Roster renewed, store.renew(now, true));
    std::fprintf(stderr, "Certificates renewed; roster epoch %llu.\n",
                 (unsigned long long)renewed.epoch());
  }
  WEFT_TRY(const crypto::Membership membership, store.load());
  WEFT_TRY(const std::optional<std::string> alarm, store.alarm());
  if (options.json) {
    nlohmann::json out{{"cluster_id", to_string(membership.roster.cluster_id())},
                       {"epoch", membership.roster.epoch()},
                       {"authority_here", membership.holds_authority},
                       {"members", nlohmann::json::array()}};
    for (const crypto::Certificate& member : membership.roster.members()) {
      out["members"].push_back({{"name", member.name()},
                                {"id", to_string(member.member_id())},
                                {"curve", to_string(member.curve())},
                                {"self", member.member_id() == membership.self.member_id()},
                                {"not_after", member.facts().not_after}});
    }
    if (alarm) out["alarm"] = *alarm;
    std::cout << out << std::endl;
    return {};
  }
  std::printf("mesh %s, roster epoch %llu\n",
              short_string(membership.roster.cluster_id()).c_str(),
              (unsigned long long)membership.roster.epoch());
  for (const crypto::Certificate& member : membership.roster.members()) {
    std::printf("  %-24s %s  until %s%s\n", printable(member.name(), 24).c_str(),
                short_string(member.member_id()).c_str(),
                date_text(member.facts().not_after).c_str(),
                member.member_id() == membership.self.member_id() ? "  (this device)" : "");
  }
  if (alarm) {
    std::printf("%s (`weft members --clear-alarm` then).\n", alarm->c_str());
  }
  return {};
}

Result<> run_revoke(const TrustOptions& options, const std::string& name) {
  WEFT_TRY(crypto::TrustStore store, open_trust(options.dir));
  WEFT_TRY(const crypto::Roster roster, store.revoke(name));
  std::fprintf(stderr, "'%s' is no longer a member (roster epoch %llu). Running members drop it "
                       "within seconds.\n", name.c_str(), (unsigned long long)roster.epoch());
  return {};
}

void add_common(CLI::App* command, TrustOptions& options) {
  command->add_option("--dir", options.dir, "where this device's keys and state are")
      ->capture_default_str();
}

}  // namespace

void add_trust_commands(CLI::App& app, CliContext& context) {
  static TrustOptions options;
  static std::string recovery_code, revoked_name;
  static MembersOptions members_options;
  static InviteOptions invite;
  static JoinOptions join;

  auto* init = app.add_subcommand("init", "make a new mesh, with this device as its first member");
  add_common(init, options);
  init->add_option("--name", options.name, "this device's name")->capture_default_str();
  init->add_option("--recover", recovery_code,
                   "take the authority back with the recovery code (`-` reads it from stdin)");
  init->add_flag("--json", options.json, "one JSON object on stdout");
  init->callback([&context] {
    wipe_argument(recovery_code);
    run_command(context, [] {
      if (recovery_code == "-") std::getline(std::cin, recovery_code);
      auto done = run_init(options, recovery_code);
      crypto::wipe(recovery_code);
      return done;
    });
  });

  auto* invite_command =
      app.add_subcommand("invite", "let one device join: shows a code, waits, asks you to confirm");
  invite_command->add_option("--dir", invite.dir, "where this device's keys are")
      ->capture_default_str();
  invite_command->add_option("--listen", invite.listen, "address of the temporary socket")
      ->capture_default_str()->check(address_defect);
  invite_command->add_option("--interface", invite.interfaces, "announce only on these interfaces")
      ->allow_extra_args(false);
  invite_command->add_flag("--yes", invite.yes, "confirm without asking");
  invite_command->add_flag("--no-qr", invite.no_qr, "do not draw the code as a picture");
  invite_command->add_flag("--json", invite.json, "one JSON object per event on stdout");
  invite_command->callback(
      [&context] { run_command(context, [] { return run_invite(invite); }); });

  auto* join_command = app.add_subcommand("join", "join a mesh with the code `weft invite` shows");
  join_command->add_option("code", join.code, "the code; `-` or none reads it from stdin");
  join_command->add_option("--dir", join.dir, "where this device's keys and state will be")
      ->capture_default_str();
  join_command->add_option("--name", join.name, "this device's name")->capture_default_str();
  join_command->add_option("--at", join.at, "ADDR:PORT that the invite shows, without multicast")
      ->check(address_defect);
  join_command->add_option("--interface", join.interfaces, "look only on these interfaces")
      ->allow_extra_args(false);
  join_command->add_flag("--json", join.json, "one JSON object on stdout");
  join_command->callback([&context] {
    wipe_argument(join.code);
    run_command(context, [] { return run_join(join); });
  });

  auto* members = app.add_subcommand("members", "list who is in the mesh");
  add_common(members, options);
  members->add_flag("--clear-alarm", members_options.clear_alarm,
                    "you have looked at what the alarm says: let devices join again");
  members->add_flag("--renew", members_options.renew,
                    "renew certificates that end soon, even expired ones");
  members->add_flag("--json", options.json, "one JSON object on stdout");
  members->callback([&context] {
    run_command(context, [] { return run_members(options, members_options); });
  });

  auto* revoke = app.add_subcommand("revoke", "take a member out of the mesh");
  add_common(revoke, options);
  revoke->add_option("name", revoked_name, "the member's name, as `weft members` shows it")
      ->required();
  revoke->callback([&context] {
    run_command(context, [] { return run_revoke(options, revoked_name); });
  });
}

}  // namespace weft::node
