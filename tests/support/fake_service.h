// A Service without a mesh, for tests of the HTTP API. What it does is chosen by the model's name:
//   "fake"     answers "Hello from the mesh, <last user text>." word by word
//   "silent"   never says anything
//   "endless"  says 4 KiB of text at a time, for ever
//   "breaks"   says one word, then fails with kUnavailable
//   an error code's name ("exhausted"): start fails with it
// preview() shows the served plan for "silent", and says of all else that it fits nowhere.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "node/service.h"

namespace weft::test {

class FakeService final : public node::Service {
 public:
  std::atomic<int> live_streams{0};
  std::atomic<int> streams_started{0};
  std::atomic<bool> healthy{true};
  mesh::View shown;            // set before the server starts
  node::NodeCounters counted;  // likewise

  // What start() was last asked for, and the model want_model() was.
  node::CompletionRequest last_request() {
    std::lock_guard lock(mutex_);
    return last_;
  }
  std::string wanted() {
    std::lock_guard lock(mutex_);
    return wanted_;
  }

  Result<std::unique_ptr<node::CompletionStream>> start(node::CompletionRequest request) override {
    {
      std::lock_guard lock(mutex_);
      last_ = request;
    }
    for (const ErrorCode code :
         {ErrorCode::kInvalid, ErrorCode::kNotFound, ErrorCode::kExhausted, ErrorCode::kUnavailable,
          ErrorCode::kTimeout, ErrorCode::kInternal}) {
      if (request.model == error_code_name(code)) return Error(code, "as the test wants it");
    }
    ++streams_started;
    return std::unique_ptr<node::CompletionStream>(std::make_unique<Stream>(*this, request));
  }
  // A vector of kEmbeddingDim numbers for each input, of which each has a token.
  static constexpr uint32_t kEmbeddingDim = 4096;
  node::EmbeddingRequest last_embedding() {
    std::lock_guard lock(mutex_);
    return last_embedding_;
  }
  Result<std::unique_ptr<node::EmbeddingStream>> embed(node::EmbeddingRequest request) override {
    std::lock_guard lock(mutex_);
    last_embedding_ = request;
    if (request.model == "exhausted") return Error(ErrorCode::kExhausted, "as the test wants it");
    return std::unique_ptr<node::EmbeddingStream>(std::make_unique<Vectors>(*this, request));
  }
  std::vector<node::ServedModel> models() override {
    return {{"fake", true, 1234, 2048}, {"silent", false, 99, 0}};
  }
  Result<std::vector<TokenId>> tokenize(const std::string& model, const std::string& text,
                                        bool add_special, bool) override {
    if (model == "none") return Error(ErrorCode::kNotFound, "as the test wants it");
    std::vector<TokenId> tokens;
    if (add_special) tokens.push_back(1000);
    for (const char c : text) tokens.push_back(uint8_t(c));
    return tokens;
  }
  Result<std::string> detokenize(const std::string&, const std::vector<TokenId>& tokens) override {
    return std::string(tokens.begin(), tokens.end());
  }
  node::Health health() override {
    return healthy ? node::Health{true, ""} : node::Health{false, "no plan: 3 GiB are missing"};
  }
  mesh::View view() override { return shown; }
  node::NodeCounters counters() override { return counted; }
  Result<mesh::PlanView> preview(const transport::ModelOffer& shape) override {
    if (shape.name != "silent") {
      return Error(ErrorCode::kUnavailable, "needs 5.1 GiB, the nodes offer 3.9 GiB");
    }
    mesh::PlanView plan = shown.plan;
    plan.epoch = {};
    plan.model_name = shape.name;
    return plan;
  }
  Result<> want_model(const std::string& name) override {
    if (name != "fake" && name != "silent") {
      return Error(ErrorCode::kNotFound, "no member of the mesh offers it");
    }
    std::lock_guard lock(mutex_);
    wanted_ = name;
    return {};
  }

 private:
  class Stream final : public node::CompletionStream {
   public:
    Stream(FakeService& service, const node::CompletionRequest& request)
        : service_(service), model_(request.model) {
      ++service_.live_streams;
      const std::string said =
          request.chat ? request.messages.back()["content"].get<std::string>() : request.prompt;
      words_ = {"Hello", " from", " the", " mesh,", " ", said, "."};
    }
    ~Stream() override { --service_.live_streams; }

    std::optional<node::StreamEvent> next(Duration timeout) override {
      if (ended_) return std::nullopt;
      if (model_ == "silent") {
        std::this_thread::sleep_for(timeout);
        return std::nullopt;
      }
      if (model_ == "endless") return node::TextDelta{std::string(4096, 'x')};
      if (model_ == "breaks" && at_ == 1) {
        ended_ = true;
        return Error(ErrorCode::kUnavailable, "a node of the plan was lost");
      }
      if (at_ < words_.size()) return node::TextDelta{words_[at_++]};
      ended_ = true;
      mesh::Usage usage;
      usage.prompt_tokens = 5;
      usage.completion_tokens = uint32_t(words_.size());
      return node::Finish{"stop", usage};
    }

   private:
    FakeService& service_;
    const std::string model_;
    std::vector<std::string> words_;
    size_t at_ = 0;
    bool ended_ = false;
  };

  class Vectors final : public node::EmbeddingStream {
   public:
    Vectors(FakeService& service, const node::EmbeddingRequest& request)
        : service_(service), request_(request) {
      ++service_.live_streams;
    }
    ~Vectors() override { --service_.live_streams; }

    std::optional<Result<node::Embedding>> next(Duration timeout) override {
      if (request_.model == "silent") {
        std::this_thread::sleep_for(timeout);
        return std::nullopt;
      }
      if (request_.model == "breaks" && at_ == 1) {
        return Result<node::Embedding>(Error(ErrorCode::kUnavailable, "a node was lost"));
      }
      const uint32_t dim = request_.dimensions ? request_.dimensions : kEmbeddingDim;
      return Result<node::Embedding>(
          node::Embedding{std::vector<float>(dim, float(at_++)), 1});
    }

   private:
    FakeService& service_;
    const node::EmbeddingRequest request_;
    size_t at_ = 0;
  };

  std::mutex mutex_;
  node::EmbeddingRequest last_embedding_;
  node::CompletionRequest last_;
  std::string wanted_;
};

}  // namespace weft::test
