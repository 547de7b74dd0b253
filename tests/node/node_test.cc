// Whole nodes in this process, on loopback, without multicast.
#include "node/node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>

#include "base/file.h"
#include "base/text.h"
#include "kernels/vulkan/device.h"
#include "model/synth.h"
#include "node/local_engine.h"
#include "node/plan_preview.h"
#include "node/trust_folder.h"
#include "tests/crypto/crypto_test_support.h"
#include "tests/support/wait.h"
#include "transport/join_socket.h"

namespace weft::node {
namespace {

using crypto::test::kDay;
using crypto::test::unwrap;
using ::testing::HasSubstr;

constexpr uint32_t kTokens = 12;
constexpr const char* kPrompt = "the lamp in the hall";

struct Reply {
  std::string text;
  Finish finish;
};

class NodeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    models_ = folder_ / "models";
    ASSERT_TRUE(make_folder(models_).ok());
    model::SynthOptions synth;
    synth.path = models_ + "/nano.gguf";
    synth.shape = "nano";
    synth.quant = "q8_0";
    ASSERT_TRUE(model::write_synthetic(synth).ok());
  }
  std::string dir(const std::string& name) { return folder_ / name; }
  crypto::TrustStore trust(const std::string& name) { return unwrap(open_trust(dir(name))); }
  int64_t today() const { return SystemClock().unix_seconds(); }
  void create_mesh(const std::string& name) {
    recovery_code_ = unwrap(trust(name).create_mesh(name, today())).recovery_code;
  }
  void join(const std::string& name, const std::string& inviter) {
    crypto::TrustStore store = trust(name);
    const crypto::Identity identity = unwrap(store.identity());
    const crypto::Candidate candidate{identity.signing().public_key(),
                                      identity.curve().public_key(), name};
    const auto admission = unwrap(trust(inviter).add_member(candidate, today()));
    ASSERT_TRUE(store.store_joined(admission.authority, admission.roster).ok());
  }
  NodeOptions options(const std::string& name) {
    NodeOptions options;
    options.dir = dir(name);
    options.mesh_address = "127.0.0.1:0";
    options.mdns = false;
    options.backend.threads = 1;
    options.memory_bytes = 1 << 30;
    options.kv_tokens = 512;
    return options;
  }
  static std::unique_ptr<Node> start(const NodeOptions& options) {
    auto node = Node::start(options);
    EXPECT_TRUE(node.ok()) << node.error().message;
    return node.ok() ? std::move(*node) : nullptr;
  }
  static bool becomes_ready(Node& node) {
    return test::wait_until([&] { return node.health().ok || !node.failure().empty(); }) &&
           node.health().ok;
  }
  static Result<Reply> ask(Node& node, const CompletionRequest& request) {
    WEFT_TRY(const auto stream, node.start(request));
    Reply reply;
    std::optional<Error> failed;
    const bool ended = test::wait_until([&] {
      const auto event = stream->next(milliseconds(100));
      if (!event) return false;
      if (const auto* delta = std::get_if<TextDelta>(&*event)) reply.text += delta->text;
      if (const auto* finish = std::get_if<Finish>(&*event)) reply.finish = *finish;
      if (const auto* error = std::get_if<Error>(&*event)) failed = *error;
      return !std::holds_alternative<TextDelta>(*event);
    });
    if (failed) return *failed;
    if (!ended) return Error(ErrorCode::kTimeout, "the answer did not end");
    return reply;
  }
  // Asks again while a node still fetches the vocabulary, or moves to a better plan, as a client
  // would.
  static Reply answer(Node& node, const std::vector<std::string>& stop = {}) {
    CompletionRequest request;
    request.prompt = kPrompt;
    request.max_tokens = kTokens;
    request.sampling.temperature = 0;
    request.stop = stop;
    Result<Reply> reply = Error(ErrorCode::kUnavailable, "not asked");
    (void)test::wait_until([&] {
      reply = ask(node, request);
      return reply.ok() || reply.error().code != ErrorCode::kUnavailable;
    });
    EXPECT_TRUE(reply.ok()) << reply.error().message;
    return reply.ok() ? *reply : Reply();
  }
  // Asks again as answer() does.
  static std::vector<Embedding> embed(Node& node, const EmbeddingRequest& request) {
    std::vector<Embedding> embeddings;
    std::optional<Error> error;
    const bool ended = test::wait_until([&] {
      embeddings.clear();
      auto stream = node.embed(request);
      error = stream.ok() ? std::nullopt : std::optional(stream.error());
      while (!error && embeddings.size() < request.inputs.size()) {
        auto got = (*stream)->next(seconds(20));
        if (!got) return false;
        if (!got->ok()) error = got->error();
        if (got->ok()) embeddings.push_back(std::move(**got));
      }
      return !error || error->code != ErrorCode::kUnavailable;
    });
    EXPECT_TRUE(ended && !error) << (error ? error->message : "no vector came");
    return embeddings;
  }
  // What one process computes without any mesh.
  Answer expected() {
    EngineOptions engine_options;
    engine_options.path = models_ + "/nano.gguf";
    engine_options.backend.threads = 1;
    engine_options.context = 512;
    auto engine = LocalEngine::open(engine_options);
    EXPECT_TRUE(engine.ok());
    AnswerRequest request;
    request.prompt = kPrompt;
    request.max_tokens = kTokens;
    auto whole = (*engine)->answer(request, {});
    EXPECT_TRUE(whole.ok());
    return *whole;
  }

  test::TemporaryFolder folder_;
  std::string models_;
  std::string recovery_code_;
};

TEST_F(NodeTest, OneNodeAloneServesItsModelAndCountsWhatItDid) {
  create_mesh("desk");
  NodeOptions alone = options("desk");
  alone.model_dirs = {models_};
  const auto node = start(alone);
  ASSERT_TRUE(node);
  EXPECT_EQ(node->name(), "desk");
  ASSERT_TRUE(becomes_ready(*node)) << node->health().problem;
  const auto models = node->models();
  ASSERT_EQ(models.size(), 1u);
  EXPECT_EQ(models[0].name, "nano");
  EXPECT_TRUE(models[0].active);

  const Answer alike = expected();
  const Reply whole = answer(*node);
  EXPECT_EQ(whole.text, alike.text);
  EXPECT_EQ(whole.finish.reason, alike.finish_reason);
  EXPECT_EQ(whole.finish.usage.prompt_tokens, alike.prompt_tokens);
  EXPECT_EQ(whole.finish.usage.completion_tokens, alike.completion_tokens);

  ASSERT_GT(whole.text.size(), 4u);
  const Reply stopped = answer(*node, {whole.text.substr(2, 2)});
  EXPECT_EQ(stopped.finish.reason, "stop");
  EXPECT_EQ(stopped.finish.usage.prompt_tokens, alike.prompt_tokens);
  EXPECT_GE(node->counters().requests, 2u);
  EXPECT_TRUE(test::wait_until([&] { return node->view().sessions.empty(); }))
      << "a stopped answer frees its stages";
  EXPECT_TRUE(test::wait_until([&] {
    const mesh::View view = node->view();
    return view.nodes[0].beat.kv_free_tokens == view.plan.kv_tokens;
  })) << "and a beat says so, though nothing else is computed";

  transport::ModelOffer shape = unwrap(shape_of_file(models_ + "/nano.gguf"));
  const auto preview = node->preview(shape);
  ASSERT_TRUE(preview.ok()) << preview.error().message;
  ASSERT_EQ(preview->stages.size(), 1u);
  EXPECT_EQ(preview->stages[0].name, "desk");
  EXPECT_GT(preview->decode_tps, 0);
  shape.layers[0].bytes = uint64_t{1} << 40;
  const auto too_large = node->preview(shape);
  ASSERT_FALSE(too_large.ok());
  EXPECT_EQ(too_large.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(too_large.error().message, HasSubstr("GiB"));

  CompletionRequest other;
  other.model = "none";
  EXPECT_EQ(node->start(other).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(node->want_model("none").error().code, ErrorCode::kNotFound);
}

std::vector<std::vector<float>> values_of(const std::vector<Embedding>& embeddings) {
  std::vector<std::vector<float>> values;
  for (const Embedding& one : embeddings) values.push_back(one.values);
  return values;
}

TEST_F(NodeTest, EmbeddingsAreOfLengthOneAndTheirInputsBounded) {
  create_mesh("desk");
  NodeOptions alone = options("desk");
  alone.model_dirs = {models_};
  const auto node = start(alone);
  ASSERT_TRUE(node && becomes_ready(*node));
  EmbeddingRequest request;
  request.inputs = {std::string("the lamp"), std::string("a robot in the hall"),
                    std::string("the lamp")};
  const auto embeddings = embed(*node, request);
  ASSERT_EQ(embeddings.size(), 3u);
  const uint32_t dim = node->view().plan.hidden_dim;
  for (const Embedding& one : embeddings) {
    ASSERT_EQ(one.values.size(), dim);
    double square_sum = 0;
    for (const float value : one.values) square_sum += double{value} * value;
    EXPECT_NEAR(square_sum, 1, 1e-6);
  }
  EXPECT_EQ(embeddings[0].values, embeddings[2].values);
  EXPECT_NE(embeddings[0].values, embeddings[1].values);
  EXPECT_EQ(embeddings[0].tokens, unwrap(node->tokenize("", "the lamp", true, false)).size());

  // The vector of the last token is no mean, but that of one token is both.
  request.inputs = {unwrap(node->tokenize("", "the lamp", true, false)), std::vector<TokenId>{5}};
  request.pooling = transport::Pooling::kMean;
  const auto mean = values_of(embed(*node, request));
  request.pooling = transport::Pooling::kLast;
  const auto last = values_of(embed(*node, request));
  EXPECT_EQ(mean[0], embeddings[0].values) << "the file says nothing: the mean";
  EXPECT_NE(mean[0], last[0]);
  EXPECT_EQ(mean[1], last[1]);
  request.dimensions = 4;
  EXPECT_EQ(values_of(embed(*node, request))[0], unit_vector(last[0], 4));

  const auto refusal = [&](EmbeddingInput input, uint32_t dimensions = 0) {
    EmbeddingRequest wrong;
    wrong.inputs = {std::vector<TokenId>{1}, std::move(input)};
    wrong.dimensions = dimensions;
    const auto stream = node->embed(std::move(wrong));
    if (stream.ok()) return std::string("it was accepted");
    EXPECT_EQ(stream.error().code, ErrorCode::kInvalid);
    return stream.error().message;
  };
  EXPECT_THAT(refusal(std::vector<TokenId>{1}, dim + 1), HasSubstr(cat("have ", dim)));
  EXPECT_THAT(refusal(std::vector<TokenId>(513, 1)), HasSubstr("input 1 has 513 tokens"));
  EmbeddingRequest many;
  many.inputs.assign(kEmbeddingTokensMax / 500 + 1, std::vector<TokenId>(500, 1));
  EXPECT_THAT(node->embed(many).error().message, HasSubstr("300000 tokens"));
  EXPECT_TRUE(test::wait_until([&] {
    const mesh::View view = node->view();
    return view.sessions.empty() && view.stage_sessions == 0;
  }));
}

TEST_F(NodeTest, TwoNodesJoinedByASeedPeerShareAPlanAndAnswerAlike) {
  EmbeddingRequest inputs;
  for (uint32_t i = 1; i <= 20; ++i) inputs.inputs.push_back(std::vector<TokenId>(i * 12, 7));
  std::vector<std::vector<float>> vectors;
  {
    create_mesh("solo");
    NodeOptions solo = options("solo");
    solo.model_dirs = {models_};
    const auto alone = start(solo);
    ASSERT_TRUE(alone && becomes_ready(*alone));
    vectors = values_of(embed(*alone, inputs));
  }
  create_mesh("desk");
  join("shelf", "desk");
  NodeOptions first = options("desk");
  first.model_dirs = {models_};
  first.min_nodes = 2;
  const auto desk = start(first);
  ASSERT_TRUE(desk);
  NodeOptions second = options("shelf");  // without the model: its layers come from the desk
  second.min_nodes = 2;
  second.seed_peers = {cat("127.0.0.1:", desk->mesh_port())};
  const auto shelf = start(second);
  ASSERT_TRUE(shelf);
  ASSERT_TRUE(becomes_ready(*desk)) << desk->health().problem;
  ASSERT_TRUE(becomes_ready(*shelf)) << shelf->health().problem;
  EXPECT_TRUE(test::wait_until([&] {
    const mesh::View one = desk->view(), other = shelf->view();
    return one.plan.active && other.plan.active && one.plan.epoch == other.plan.epoch;
  })) << "one plan for both";

  const mesh::View view = desk->view();
  ASSERT_EQ(view.plan.stages.size(), 2u);
  EXPECT_NE(view.plan.stages[0].node, view.plan.stages[1].node);
  EXPECT_EQ(view.plan.stages[1].last_layer, view.plan.layer_count);
  const std::string text = expected().text;
  EXPECT_EQ(answer(*desk).text, text);
  EXPECT_EQ(answer(*shelf).text, text);
  EXPECT_EQ(values_of(embed(*desk, inputs)), vectors);
  EXPECT_EQ(values_of(embed(*shelf, inputs)), vectors);
  EXPECT_GT(shelf->counters().bytes_in, 0u);
}

TEST_F(NodeTest, ARevokedNodeIsToldAndEnds) {
  create_mesh("desk");
  join("shelf", "desk");
  const auto desk = start(options("desk"));
  ASSERT_TRUE(desk);
  NodeOptions second = options("shelf");
  second.seed_peers = {cat("127.0.0.1:", desk->mesh_port())};
  const auto shelf = start(second);
  ASSERT_TRUE(shelf);
  // Both ways: the word goes out over the desk's own link.
  ASSERT_TRUE(test::wait_until([&] {
    const mesh::View view = desk->view();
    return view.nodes.size() == 2 && view.nodes[0].link_up && view.nodes[1].link_up;
  }));
  ASSERT_TRUE(trust("desk").revoke("shelf").ok());
  EXPECT_TRUE(test::wait_until([&] { return !shelf->failure().empty(); }));
  EXPECT_THAT(shelf->failure(), HasSubstr("was revoked"));
  EXPECT_TRUE(test::wait_until([&] { return desk->view().nodes.size() == 1; }));
  EXPECT_EQ(desk->failure(), "");
}

TEST_F(NodeTest, AStrangersHandshakeIsRefusedAndCounted) {
  create_mesh("desk");
  const auto node = start(options("desk"));
  ASSERT_TRUE(node);
  const crypto::CurveKeys strange = crypto::CurveKeys::generate();
  const auto dialer = transport::JoinDialer::open(cat("127.0.0.1:", node->mesh_port()), strange,
                                                  unwrap(trust("desk").load()).self.curve());
  ASSERT_TRUE(dialer.ok()) << dialer.error().message;
  EXPECT_TRUE(test::wait_until([&] { return node->counters().refused_handshakes > 0; }));
  EXPECT_NE((*dialer)->wait_connected(Duration(0)), transport::DialProgress::kConnected);
}

TEST_F(NodeTest, AnAuthorityThatStartsRenewsItsCertificateAndAnAlarmIsShown) {
  const int64_t made = today() - crypto::kCertificateSeconds + 30 * kDay;
  recovery_code_ = unwrap(trust("desk").create_mesh("desk", made)).recovery_code;
  const auto node = start(options("desk"));
  ASSERT_TRUE(node);
  crypto::TrustStore store = trust("desk");
  EXPECT_TRUE(test::wait_until([&] { return unwrap(store.stored_epoch()) == 2; }));
  EXPECT_GT(unwrap(store.load()).self.not_after(), today() + 300 * kDay);
  EXPECT_EQ(node->health().alarm, "");

  const auto authority = unwrap(crypto::Authority::from_recovery_code(recovery_code_));
  const auto forged = unwrap(crypto::Roster::issue(2, {}, {}, authority.key()));
  EXPECT_EQ(store.apply_roster(forged.bytes()).error().code, ErrorCode::kConflict);
  EXPECT_TRUE(test::wait_until([&] { return !node->health().alarm.empty(); }));
}

TEST_F(NodeTest, AFolderInNoMeshSaysHowToGetIntoOne) {
  const auto node = Node::start(options("new"));
  ASSERT_FALSE(node.ok());
  EXPECT_EQ(node.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(node.error().message, HasSubstr("weft init"));
}

TEST_F(NodeTest, ADamagedFolderNamesTheFile) {
  create_mesh("desk");
  for (const char* name : {"identity.key", "mesh"}) {
    const std::string path = trust_folder(dir("desk")) + "/" + name;
    const auto content = read_file(path, 1 << 20);
    ASSERT_TRUE(content.ok());
    ASSERT_TRUE(write_file_atomic(path, ByteView(*content).first(content->size() / 2), 0600).ok());
    const auto node = Node::start(options("desk"));
    ASSERT_FALSE(node.ok());
    EXPECT_THAT(node.error().message, HasSubstr(name));
    ASSERT_TRUE(write_file_atomic(path, *content, 0600).ok());
  }
}

// Its device is lost in the midst of a stream, which goes on: on the processor.
TEST_F(NodeTest, AStreamOutlivesItsVulkanDevice) {
  const auto devices = kernels::list_vulkan_devices();
  if (!devices.ok() || devices->empty()) GTEST_SKIP() << "no Vulkan device here";
  create_mesh("desk");
  NodeOptions chosen = options("desk");
  chosen.model_dirs = {models_};
  chosen.backend.name = "vulkan";
  chosen.backend.vulkan_device = devices->front().name;
  const auto lost = std::make_shared<std::atomic<bool>>(false);
  chosen.backend.vulkan_lost = lost;
  const auto node = start(chosen);
  ASSERT_TRUE(becomes_ready(*node));
  const auto backend = [&] { return node->view().nodes.front().profile.backend; };
  EXPECT_THAT(backend(), HasSubstr("vulkan"));
  CompletionRequest request;
  request.prompt = kPrompt;
  request.max_tokens = 60;
  request.sampling.temperature = 0;
  const auto stream = unwrap(node->start(request));
  std::optional<Finish> finish;
  int deltas = 0;
  ASSERT_TRUE(test::wait_until([&] {
    const auto event = stream->next(milliseconds(100));
    if (!event) return false;
    if (const auto* error = std::get_if<Error>(&*event)) ADD_FAILURE() << error->message;
    if (const auto* end = std::get_if<Finish>(&*event)) finish = *end;
    if (std::holds_alternative<TextDelta>(*event) && ++deltas == 5) *lost = true;
    return !std::holds_alternative<TextDelta>(*event);
  }));
  ASSERT_TRUE(finish);
  EXPECT_EQ(finish->usage.completion_tokens, 60u);
  EXPECT_TRUE(*lost) << "it ended too soon";
  EXPECT_TRUE(test::wait_until([&] { return backend().starts_with("cpu"); }))
      << "the mesh plans with a device that is gone";
  EXPECT_FALSE(answer(*node).text.empty());
}

TEST_F(NodeTest, OneFolderIsForOneNode) {
  create_mesh("desk");
  const auto lock = crypto::DataFolderLock::take(dir("desk"));
  ASSERT_TRUE(lock.ok());
  const auto node = Node::start(options("desk"));
  ASSERT_FALSE(node.ok());
  EXPECT_EQ(node.error().code, ErrorCode::kConflict);
}

}  // namespace
}  // namespace weft::node
