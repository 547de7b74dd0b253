// Embeddings of a request's inputs: each is a session of the mesh of its own, a few at a time.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "mesh/machine.h"
#include "model/gguf.h"
#include "model/tokenizer.h"
#include "node/service.h"
#include "node/stream.h"

namespace weft::node {

// Of one request, on their way at a time: the streams of a node are for others too.
inline constexpr size_t kEmbeddingsAtOnce = 8;
inline constexpr size_t kEmbeddingTokensMax = 300'000;  // of all inputs of one request, as OpenAI

// How a model's file wants its rows pooled (`<architecture>.pooling_type`); the mean where it does
// not say, or names a way that this program does not have.
transport::Pooling own_pooling(const model::GgufFile& file);

// A text's tokens with the start and end tokens that the file asks for: models that are pooled at
// their last token are made for an end token there.
std::vector<TokenId> embedding_tokens(const model::GgufFile& file,
                                      const model::Tokenizer& tokenizer, std::string_view text);

// The first `dimensions` (0: all) of a vector, at length 1. One of zeros stays so.
std::vector<float> unit_vector(std::vector<float> values, uint32_t dimensions);

// A session that the mesh has accepted.
struct OpenedSession {
  std::shared_ptr<TokenQueue> queue;
  std::function<void()> cancel;  // any thread; does nothing after the session's end
};

class MeshEmbeddings final : public EmbeddingStream {
 public:
  using Open = std::function<Result<OpenedSession>(mesh::GenerateRequest)>;
  // tokens_at_once: of all inputs on their way together, but one input may have more.
  MeshEmbeddings(std::vector<mesh::GenerateRequest> inputs, uint32_t dimensions,
                 size_t tokens_at_once, Open open);
  ~MeshEmbeddings() override;

  std::optional<Result<Embedding>> next(Duration timeout) override;

 private:
  struct Running {
    OpenedSession session;
    size_t tokens = 0;
  };
  Result<> open_more();
  void cancel_all();

  std::deque<mesh::GenerateRequest> waiting_;
  std::deque<Running> running_;  // in the inputs' order
  const uint32_t dimensions_;
  const size_t tokens_at_once_;
  size_t tokens_running_ = 0;
  Open open_;
};

}  // namespace weft::node
