#include "node/http_guard.h"

#include <gtest/gtest.h>

namespace weft::node {
namespace {

TEST(HttpGuard, ReadsListenAddresses) {
  const auto v4 = parse_listen_address("127.0.0.1:7070");
  ASSERT_TRUE(v4.ok());
  EXPECT_EQ(v4->port, 7070);
  EXPECT_TRUE(v4->loopback);
  const auto v6 = parse_listen_address("[::1]:80");
  ASSERT_TRUE(v6.ok());
  EXPECT_TRUE(v6->v6 && v6->loopback);
  EXPECT_EQ(host_text(v6->socket_address), "[::1]");
  EXPECT_FALSE(parse_listen_address("0.0.0.0:1")->loopback);
  EXPECT_FALSE(parse_listen_address("[::]:1")->loopback);
  EXPECT_EQ(parse_listen_address("localhost:0")->host, "127.0.0.1");
}

TEST(HttpGuard, RefusesAddressesThatAreNone) {
  for (const char* text : {"", ":", "127.0.0.1", "127.0.0.1:70000", "127.0.0.1:-1", "127.0.0.1:",
                           "example.org:80", "::1:80", "[::1", "[127.0.0.1]:80", "1.2.3:4"}) {
    const auto address = parse_listen_address(text);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_EQ(address.error().code, ErrorCode::kInvalid);
  }
}

TEST(HttpGuard, AServerAtEveryAddressIsReachedAtLoopback) {
  const std::pair<const char*, const char*> cases[] = {
      {"0.0.0.0:0", "127.0.0.1:7075"},    {"[::]:7070", "[::1]:7075"},
      {"127.0.0.1:0", "127.0.0.1:7075"},  {"[::1]:7070", "[::1]:7075"},
      {"localhost:0", "127.0.0.1:7075"},  {"192.168.1.7:0", "192.168.1.7:7075"},
      {"[0:0::0]:0", "[::1]:7075"}};
  for (const auto& [listen, expected] : cases) {
    const auto address = parse_listen_address(listen);
    ASSERT_TRUE(address.ok()) << listen;
    EXPECT_EQ(near_address(*address, 7075), expected) << listen;
  }
}

TEST(HttpGuard, TakesTheNameOutOfAHost) {
  EXPECT_EQ(host_name("LocalHost:7070"), "localhost");
  EXPECT_EQ(host_name("[::1]:7070"), "[::1]");
  EXPECT_EQ(host_name("weft.home"), "weft.home");
  for (const char* text : {"", ":80", "a b", "a/b", "a:b", "a:80:90", "a@b", "[::1", "[x]",
                           "a:99999", "localhost\n"}) {
    EXPECT_FALSE(host_name(text).has_value()) << text;
  }
}

TEST(HttpGuard, AcceptsItsOwnNamesAndTheConnectionsAddress) {
  const auto guard = HttpGuard::create({"weft.home"}, std::nullopt);
  ASSERT_TRUE(guard.ok());
  for (const char* host :
       {"localhost", "127.0.0.1:7070", "[::1]:7070", "weft.home", "10.0.0.7:1"}) {
    EXPECT_TRUE(guard->check_host(host, nullptr, "10.0.0.7").ok()) << host;
  }
  for (const char* host : {"evil.example", "localhost.evil.example", "10.0.0.8", "evil:80", ""}) {
    EXPECT_FALSE(guard->check_host(host, nullptr, "10.0.0.7").ok()) << host;
  }
  EXPECT_FALSE(guard->check_host(nullptr, nullptr, "").ok());
  EXPECT_FALSE(HttpGuard::create({"not a host"}, std::nullopt).ok());
}

TEST(HttpGuard, AcceptsTheSameOriginOnly) {
  const auto guard = HttpGuard::create({}, std::nullopt);
  EXPECT_TRUE(guard->check_host("localhost:7070", "http://localhost:7070", "").ok());
  EXPECT_TRUE(guard->check_host("localhost:7070", "https://LOCALHOST:7070", "").ok());
  for (const char* origin :
       {"null", "", "http://localhost", "http://localhost:7071", "http://evil.example",
        "http://localhost:7070.evil.example", "file://localhost:7070"}) {
    const auto checked = guard->check_host("localhost:7070", origin, "");
    ASSERT_FALSE(checked.ok()) << origin;
    EXPECT_EQ(checked.error().code, ErrorCode::kDenied);
  }
}

TEST(HttpGuard, AcceptsTheRightKeyOnly) {
  const auto guard = HttpGuard::create({}, "sesame");
  ASSERT_TRUE(guard.ok());
  EXPECT_TRUE(guard->needs_key());
  EXPECT_TRUE(guard->check_key("Bearer sesame").ok());
  EXPECT_TRUE(guard->check_key("bearer sesame ").ok());
  for (const char* header :
       {"", "sesame", "Bearer", "Bearer ", "Bearer sesam", "Bearer sesamee", "Basic sesame"}) {
    EXPECT_FALSE(guard->check_key(header).ok()) << header;
  }
  EXPECT_FALSE(guard->check_key(nullptr).ok());
  EXPECT_FALSE(HttpGuard::create({}, "").ok());
  EXPECT_TRUE(HttpGuard::create({}, std::nullopt)->check_key(nullptr).ok());
}

}  // namespace
}  // namespace weft::node
