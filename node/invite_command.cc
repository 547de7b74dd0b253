#include "node/invite_command.h"

#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <set>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/join.h"
#include "discovery/mdns.h"
#include "node/peers.h"
#include "node/qr.h"
#include "node/trust_folder.h"
#include "transport/join_socket.h"

namespace weft::node {
namespace {

// The service that an open invite announces, and the TXT key with its rendezvous tag.
constexpr const char* kJoinService = "_weft-join._tcp";
constexpr const char* kTagKey = "tag";
constexpr Duration kTurn = milliseconds(50);
constexpr Duration kJoinPatience = seconds(60);     // to find the inviter
constexpr Duration kConnectPatience = seconds(5);   // for one address
constexpr Duration kReplyPatience = seconds(600);   // a person has to confirm
constexpr Duration kAckPatience = seconds(5);

using Json = nlohmann::ordered_json;

void say(bool json, const Json& event, const std::string& text) {
  if (json) {
    std::cout << event.dump() << std::endl;
  } else {
    std::printf("%s\n", text.c_str());
    std::fflush(stdout);
  }
}

// mDNS beside a blocking wait: keeps the announcement answered. Null where there is no multicast.
class Announcer {
 public:
  static Announcer open(const std::vector<std::string>& interfaces, Result<>& error) {
    Announcer announcer;
    discovery::MdnsOptions options;
    options.service_type = kJoinService;
    options.interfaces = interfaces;
    auto opened = discovery::Mdns::open(options, announcer.clock_.now());
    if (opened.ok()) {
      announcer.mdns_ = std::move(*opened);
    } else if (!interfaces.empty()) {
      error = std::move(opened).error();
    }
    return announcer;
  }
  discovery::Mdns* mdns() { return mdns_.get(); }
  void turn() {
    if (!mdns_) return;
    mdns_->on_readable(clock_.now());
    mdns_->tick(clock_.now());
  }
  Time now() const { return clock_.now(); }

 private:
  SystemClock clock_;
  std::unique_ptr<discovery::Mdns> mdns_;
};

// The owner's yes or no at the terminal; the announcement goes on meanwhile.
bool confirmed_by_owner(Announcer& announcer) {
  std::fprintf(stderr, "Does the new device show the same digits? [y/N] ");
  while (!interrupted()) {
    const int input[] = {STDIN_FILENO};
    if (wait_readable(input, milliseconds(100))) {
      std::string line;
      std::getline(std::cin, line);
      return line == "y" || line == "Y" || line == "yes";
    }
    announcer.turn();
  }
  return false;
}

void show_code(const InviteOptions& options, const crypto::Invite& invite, uint16_t port) {
  std::string code = invite.secret.code();
  if (options.json) {
    std::cout << Json{{"event", "invite"}, {"code", code}, {"port", port},
                      {"expires_at", invite.expires_at}}.dump() << std::endl;
  } else {
    if (!options.no_qr && isatty(STDOUT_FILENO)) {
      if (const auto picture = qr_code(code); picture.ok()) std::printf("%s\n", picture->c_str());
    }
    std::printf("On the new device, within ten minutes:\n\n  weft join %s\n\n"
                "(If it does not find this device: add --at THIS-DEVICE:%u)\nwaiting ...\n",
                code.c_str(), port);
    std::fflush(stdout);
  }
  crypto::wipe(code);
}

// Waits for the joiner's word that it has stored everything; without it the join stands as well.
void wait_for_ack(transport::JoinListener& listener, crypto::InviterSession& session,
                  ByteView reply, const SystemClock& clock) {
  const Time until = clock.now() + kAckPatience;
  while (clock.now() < until && !interrupted()) {
    const auto frame = listener.wait(kTurn);
    if (!frame) continue;
    if (session.on_ack(frame->bytes).ok()) return;
    // The reply was lost and the request came again: answer it again.
    if (session.on_request(frame->bytes, clock.unix_seconds()).ok()) {
      (void)listener.reply(*frame, reply);
    }
  }
}

}  // namespace

Result<> run_invite(const InviteOptions& options) {
  const SystemClock clock;
  WEFT_TRY(crypto::TrustStore store, open_trust(options.dir));
  WEFT_TRY(crypto::Invite invite, store.create_invite(clock.unix_seconds()));
  WEFT_TRY(const crypto::InviteSecret copy, crypto::InviteSecret::from_code(invite.secret.code()));
  crypto::InviterSession session(store, std::move(invite.secret));
  const Digest invite_id = copy.id();
  WEFT_TRY(auto listener, transport::JoinListener::open(options.listen, session.server_keys(),
                                                        session.client_key()));
  Result<> announced;
  Announcer announcer = Announcer::open(options.interfaces, announced);
  WEFT_CHECK(std::move(announced));
  if (announcer.mdns()) {
    WEFT_CHECK(announcer.mdns()->publish(
        {cat("weft ", copy.rendezvous_tag().substr(0, 8)), listener->port(),
         {{kTagKey, copy.rendezvous_tag()}}}, announcer.now()));
  }
  WEFT_TRY(crypto::InviteSecret shown, crypto::InviteSecret::from_code(copy.code()));
  show_code(options, {std::move(shown), invite.expires_at}, listener->port());

  Result<> outcome = Error(ErrorCode::kTimeout, "the code ended unused; run `weft invite` again");
  while (clock.unix_seconds() < invite.expires_at) {
    if (interrupted()) {
      outcome = Error(ErrorCode::kCancelled, "interrupted; the code is no longer good");
      break;
    }
    announcer.turn();
    const auto frame = listener->wait(kTurn);
    if (!frame) continue;
    const auto pending = session.on_request(frame->bytes, clock.unix_seconds());
    if (!pending.ok()) {
      (void)listener->reply(*frame, crypto::InviterSession::refusal(pending.error()));
      std::fprintf(stderr, "refused a request from %s: %s\n", frame->address.c_str(),
                   pending.error().message.c_str());
      continue;
    }
    const std::string name = printable(pending->name, 63);
    say(options.json, {{"event", "request"}, {"name", name}, {"digits", pending->digits}},
        cat("'", name, "' at ", frame->address, " asks to join; digits ", pending->digits));
    if (!options.yes && !confirmed_by_owner(announcer)) {
      WEFT_TRY(const Bytes refusal, session.reject());
      (void)listener->reply(*frame, refusal);
      outcome = Error(ErrorCode::kDenied, "not confirmed; the code is no longer good");
      break;
    }
    WEFT_TRY(const Bytes reply, session.confirm(clock.unix_seconds()));
    WEFT_CHECK(listener->reply(*frame, reply));
    wait_for_ack(*listener, session, reply, clock);
    say(options.json, {{"event", "joined"}, {"name", name}, {"id", to_string(pending->member_id)}},
        cat("'", name, "' is a member. On it: `weft up`."));
    outcome = {};
    break;
  }
  if (announcer.mdns()) announcer.mdns()->withdraw(announcer.now());
  if (!outcome.ok()) WEFT_CHECK(store.burn_invite(invite_id));
  return outcome;
}

namespace {

// Talks to one address. kUnavailable: the inviter of this code is not there, try another (whoever
// does not hold the code's key cannot pass the handshake, so its "no" says nothing about the code).
Result<crypto::Joined> join_at(const std::string& address, const crypto::JoinerSession& session,
                               bool json, crypto::TrustStore& store) {
  const SystemClock clock;
  const crypto::CurveKeys keys = session.client_keys();
  WEFT_TRY(auto dialer, transport::JoinDialer::open(address, keys, session.server_key()));
  const Time connect_until = clock.now() + kConnectPatience;
  auto progress = transport::DialProgress::kWaiting;
  while (progress == transport::DialProgress::kWaiting && clock.now() < connect_until) {
    if (interrupted()) return Error(ErrorCode::kCancelled, "interrupted");
    progress = dialer->wait_connected(kTurn);
  }
  if (progress == transport::DialProgress::kRefused) {
    return Error(ErrorCode::kUnavailable,
                 cat("the device at ", address, " does not know this code; check the code, and "
                     "that `weft invite` still waits"));
  }
  if (progress != transport::DialProgress::kConnected) {
    return Error(ErrorCode::kUnavailable,
                 cat("no invite with this code answers at ", address,
                     "; check the code, and that `weft invite` still waits there"));
  }
  WEFT_CHECK(dialer->send(session.request()));
  say(json, {{"event", "digits"}, {"digits", session.digits()}},
      cat("digits ", session.digits(), ": compare them with the inviting device, confirm there"));
  const Time reply_until = clock.now() + kReplyPatience;
  while (clock.now() < reply_until) {
    if (interrupted()) return Error(ErrorCode::kCancelled, "interrupted");
    const auto reply = dialer->wait(kTurn);
    if (!reply) continue;
    WEFT_TRY(crypto::Joined joined, session.on_reply(*reply, clock.unix_seconds()));
    WEFT_CHECK(store.store_joined(joined.authority, joined.roster));
    WEFT_CHECK(dialer->send(joined.ack));
    return joined;
  }
  return Error(ErrorCode::kTimeout, "nobody confirmed the join on the inviting device");
}

// Looks for the inviter by its rendezvous tag and talks to each address it is found at.
Result<crypto::Joined> find_and_join(const JoinOptions& options,
                                     const crypto::JoinerSession& session,
                                     crypto::TrustStore& store) {
  Result<> opened;
  Announcer browser = Announcer::open(options.interfaces, opened);
  WEFT_CHECK(std::move(opened));
  if (!browser.mdns()) {
    return Error(ErrorCode::kUnavailable,
                 "this machine has no network with multicast; use --at ADDR:PORT as the inviting "
                 "device shows it");
  }
  browser.mdns()->browse(browser.now());
  std::fprintf(stderr, "looking for the inviting device ...\n");
  std::set<std::string> tried;
  Result<crypto::Joined> last = Error(
      ErrorCode::kTimeout,
      "no device on this network waits for this code; check that both are on one network, that "
      "`weft invite` still runs, or use --at ADDR:PORT");
  const Time until = browser.now() + kJoinPatience;
  while (browser.now() < until) {
    if (interrupted()) return Error(ErrorCode::kCancelled, "interrupted");
    browser.turn();
    for (const auto& event : browser.mdns()->take_events()) {
      const auto tag = event.service.txt.find(kTagKey);
      if (event.kind == discovery::DiscoveryEvent::Kind::kLost ||
          tag == event.service.txt.end() || tag->second != session.rendezvous_tag()) {
        continue;
      }
      for (const std::string& host : event.service.addresses) {
        const std::string address = join_address(host, event.service.port);
        if (!tried.insert(address).second) continue;
        last = join_at(address, session, options.json, store);
        if (last.ok() || last.error().code != ErrorCode::kUnavailable) return last;
      }
    }
    wait_readable(browser.mdns()->fds(), milliseconds(50));
  }
  return last;
}

}  // namespace

Result<> run_join(JoinOptions options) {
  if (options.code.empty() || options.code == "-") {
    std::fprintf(stderr, "code: ");
    std::getline(std::cin, options.code);
  }
  if (!options.at.empty() && !is_address(options.at)) {
    return Error(ErrorCode::kInvalid,
                 cat("'", options.at, "' is not ADDR:PORT, as 192.168.1.7:40123"));
  }
  auto secret = crypto::InviteSecret::from_code(options.code);
  crypto::wipe(options.code);
  if (!secret.ok()) return std::move(secret).error();
  WEFT_TRY(crypto::TrustStore store, open_trust(options.dir));
  WEFT_TRY(const crypto::Identity identity, store.identity());
  const SystemClock clock;
  WEFT_TRY(const crypto::JoinerSession session,
           crypto::JoinerSession::start(identity, options.name, std::move(*secret),
                                        clock.unix_seconds()));
  WEFT_TRY(const crypto::Joined joined,
           options.at.empty() ? find_and_join(options, session, store)
                              : join_at(options.at, session, options.json, store));
  say(options.json,
      {{"event", "joined"}, {"name", joined.certificate.name()},
       {"id", to_string(joined.certificate.member_id())},
       {"members", joined.roster.members().size()}},
      cat("Joined as '", joined.certificate.name(), "'; the mesh has ",
          joined.roster.members().size(), " members. Next: `weft up`."));
  return {};
}

}  // namespace weft::node
