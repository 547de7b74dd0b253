#include "node/listen_socket.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace weft::node {
namespace {

Result<FileDescriptor> listen_at(const std::string& text) {
  return node::listen_at(parse_listen_address(text).value(), text);
}

TEST(ListenSocket, KnowsItsPortAndHost) {
  const auto socket = listen_at("127.0.0.1:0");
  ASSERT_TRUE(socket.ok()) << socket.error().message;
  EXPECT_NE(port_of(socket->get()), 0);
  EXPECT_EQ(local_host(socket->get()), "127.0.0.1");
}

TEST(ListenSocket, SaysThatAPortIsInUseAndWhatToDo) {
  const auto first = listen_at("127.0.0.1:0");
  ASSERT_TRUE(first.ok()) << first.error().message;
  const std::string text = cat("127.0.0.1:", port_of(first->get()));
  const auto second = listen_at(text);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
  EXPECT_NE(second.error().message.find(text), std::string::npos);
  EXPECT_NE(second.error().message.find("--http"), std::string::npos);
}

TEST(ListenSocket, WhatIsNoSocketHasNeitherPortNorHost) {
  EXPECT_EQ(port_of(-1), 0);
  EXPECT_EQ(local_host(-1), "");
}

}  // namespace
}  // namespace weft::node
