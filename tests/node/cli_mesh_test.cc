// The commands as a user gives them, in this process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <thread>

#include "base/log.h"
#include "node/cli.h"
#include "node/http_client.h"
#include "tests/node/scripted_server.h"
#include "tests/support/support.h"
#include "tests/support/wait.h"

namespace weft::node {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

int run(std::vector<std::string> words) {
  words.insert(words.begin(), "weft");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  return run_cli(int(arguments.size()), arguments.data());
}

class CliMeshTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(write_file_atomic(key_, as_bytes("secret-3\n"), 0600).ok());
  }
  test::TemporaryFolder folder_;
  const std::string key_ = folder_ / "key";
};

TEST_F(CliMeshTest, StatusAndPlanSendTheKeyOfAFile) {
  const std::string mesh = R"({"nodes": [], "plan": {"model_name": "m", "stages": []}})";
  ScriptedServer server({{ScriptedServer::json(200, mesh)}, {ScriptedServer::json(200, mesh)}});
  for (const char* command : {"status", "plan"}) {
    ::testing::internal::CaptureStdout();
    EXPECT_EQ(run({command, "--http", server.address(), "--api-key-file", key_}), 0);
    EXPECT_FALSE(::testing::internal::GetCapturedStdout().empty());
  }
  ASSERT_THAT(server.requests(), SizeIs(2));
  for (const std::string& request : server.requests()) {
    EXPECT_THAT(request, HasSubstr("Authorization: Bearer secret-3\r\n"));
  }
}

TEST_F(CliMeshTest, StatusWithoutTheKeySaysHowToGiveIt) {
  ScriptedServer server({{ScriptedServer::json(401, "{\"error\":{\"message\":\"no key\"}}")}});
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(run({"status", "--http", server.address()}), 1);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("--api-key-file FILE"));
}

TEST_F(CliMeshTest, ARefusedWayOfServingIsSaidBeforeAnythingIsMade) {
  const std::string dir = folder_ / "node";
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(run({"up", "--yes", "--dir", dir, "--http", "0.0.0.0:0"}), 1);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("set an API key"));
  EXPECT_FALSE(std::filesystem::exists(dir));
}

TEST_F(CliMeshTest, AMalformedAddressIsAUsageError) {
  const std::string dir = folder_ / "node";
  const std::vector<std::vector<std::string>> commands = {
      {"up", "--http"},     {"up", "--mesh"},       {"up", "--seed-peer"}, {"status", "--http"},
      {"plan", "--http"},   {"run", "m", "--http"}, {"invite", "--listen"}, {"join", "x", "--at"}};
  for (std::vector<std::string> command : commands) {
    for (const char* address : {"127.0.0.1", ":7070", "127.0.0.1:", "127.0.0.1:70000", "a:b"}) {
      std::vector<std::string> words = command;
      words.insert(words.end(), {address, "--dir", dir});
      ::testing::internal::CaptureStderr();
      EXPECT_EQ(run(words), 2) << command[0] << " " << address;
      EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr(command.back()));
    }
  }
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(run({"up", "--http", "house:7070", "--dir", dir}), 2) << "no address to listen at";
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("house"));
  EXPECT_FALSE(std::filesystem::exists(dir));
}

TEST_F(CliMeshTest, ARepeatableFlagTakesOneWordEachTime) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(run({"run", "--model-dir", folder_ / "a", "--model-dir", folder_ / "b", "nowhere", "-p",
                 "hi"}), 1);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("nowhere"));
}

// The whole way: a node that listens at every address, found through its folder, asked with a key.
TEST_F(CliMeshTest, ANodeAtEveryAddressIsFoundThroughItsFolder) {
  const std::string dir = folder_ / "node";
  std::atomic<int> exit_code = -1;
  std::thread up([&] {
    exit_code = run({"--log", "warn", "up", "--yes", "--name", "desk", "--dir", dir, "--mesh",
                     "127.0.0.1:0", "--no-mdns", "--http", "0.0.0.0:0", "--api-key-file", key_,
                     "--threads", "1"});
  });
  EXPECT_TRUE(test::wait_until([&] {
    return std::filesystem::exists(dir + "/http.addr") || exit_code >= 0;
  }));
  auto client = HttpClient::to_node(dir, "");
  EXPECT_TRUE(client.ok());
  if (client.ok()) {
    EXPECT_THAT(client->address(), HasSubstr("127.0.0.1:"));
    EXPECT_EQ(client->get_json("/api/mesh").error().code, ErrorCode::kDenied);
    EXPECT_TRUE(client->use_api_key_file(key_).ok());
    const auto mesh = client->get_json("/api/mesh");
    EXPECT_TRUE(mesh.ok() && (*mesh)["nodes"].is_array());
  }
  std::raise(SIGTERM);
  up.join();
  clear_interrupt();
  set_log_level(LogLevel::kInfo);
  EXPECT_EQ(exit_code, 0);
  EXPECT_FALSE(std::filesystem::exists(dir + "/http.addr")) << "gone with the node";
}

}  // namespace
}  // namespace weft::node
