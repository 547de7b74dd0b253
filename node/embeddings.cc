#include "node/embeddings.h"

#include <cmath>
#include <utility>

#include "base/text.h"

namespace weft::node {

transport::Pooling own_pooling(const model::GgufFile& file) {
  // Source: gguf-py, `PoolingType`: 0 none, 1 mean, 2 cls, 3 last, 4 rank.
  constexpr uint64_t kLastToken = 3;
  const auto architecture = file.text("general.architecture");
  if (!architecture.ok()) return transport::Pooling::kMean;
  const auto type = file.u64(cat(*architecture, ".pooling_type"));
  return type.ok() && *type == kLastToken ? transport::Pooling::kLast : transport::Pooling::kMean;
}

std::vector<TokenId> embedding_tokens(const model::GgufFile& file,
                                      const model::Tokenizer& tokenizer, std::string_view text) {
  std::vector<TokenId> tokens = tokenizer.encode(text);
  const auto add_eos = file.boolean("tokenizer.ggml.add_eos_token");
  if (add_eos.ok() && *add_eos && tokenizer.eos()) tokens.push_back(*tokenizer.eos());
  return tokens;
}

std::vector<float> unit_vector(std::vector<float> values, uint32_t dimensions) {
  if (dimensions > 0 && dimensions < values.size()) values.resize(dimensions);
  double square_sum = 0;
  for (const float value : values) square_sum += double{value} * value;
  if (square_sum == 0) return values;
  const double scale = 1 / std::sqrt(square_sum);
  for (float& value : values) value = float(value * scale);
  return values;
}

MeshEmbeddings::MeshEmbeddings(std::vector<mesh::GenerateRequest> inputs, uint32_t dimensions,
                               size_t tokens_at_once, Open open)
    : waiting_(std::make_move_iterator(inputs.begin()), std::make_move_iterator(inputs.end())),
      dimensions_(dimensions),
      tokens_at_once_(tokens_at_once),
      open_(std::move(open)) {}

MeshEmbeddings::~MeshEmbeddings() { cancel_all(); }

void MeshEmbeddings::cancel_all() {
  waiting_.clear();
  for (const Running& running : std::exchange(running_, {})) running.session.cancel();
}

Result<> MeshEmbeddings::open_more() {
  while (!waiting_.empty() && running_.size() < kEmbeddingsAtOnce) {
    const size_t tokens = waiting_.front().tokens.size();
    if (!running_.empty() && tokens_running_ + tokens > tokens_at_once_) break;
    auto opened = open_(waiting_.front());
    if (!opened.ok()) {
      // Other streams have all places: it comes when one of ours has ended.
      if (opened.error().code == ErrorCode::kExhausted && !running_.empty()) break;
      return std::move(opened).error();
    }
    waiting_.pop_front();
    tokens_running_ += tokens;
    running_.push_back({std::move(*opened), tokens});
  }
  return {};
}

std::optional<Result<Embedding>> MeshEmbeddings::next(Duration timeout) {
  if (Result<> opened = open_more(); !opened.ok()) {
    cancel_all();
    return Result<Embedding>(opened.error());
  }
  if (running_.empty()) return std::nullopt;
  auto item = running_.front().session.queue->items.pop(timeout);
  // A pooled session gives nothing but its end.
  auto* const end = item ? std::get_if<StreamEnd>(&*item) : nullptr;
  if (!end) return std::nullopt;
  const size_t tokens = running_.front().tokens;
  running_.pop_front();
  tokens_running_ -= tokens;
  if (!end->result.ok()) {
    cancel_all();
    return Result<Embedding>(end->result.error());
  }
  return Result<Embedding>(
      Embedding{unit_vector(std::move(end->embedding), dimensions_), uint32_t(tokens)});
}

}  // namespace weft::node
