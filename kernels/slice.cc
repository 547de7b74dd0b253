#include "kernels/slice.h"

#include <algorithm>
#include <unordered_map>

#include "base/text.h"
#include "kernels/block.h"
#include "kernels/memory.h"
#include "kernels/slice_batch.h"
#include "kernels/slice_memory.h"
#include "kernels/weights.h"

namespace weft::kernels {
namespace {

class SliceImpl : public Slice {
 public:
  static Result<std::unique_ptr<Slice>> load(Backend& backend, const model::Model& model,
                                             const SliceOptions& options,
                                             const LoadProgress& progress);

  bool first() const override { return options_.first_layer == 0; }
  bool last() const override { return options_.last_layer == config_.layer_count; }
  Result<SliceOutput> forward(const SliceBatch& batch) override;
  Result<> reserve(SessionId session, uint32_t token_count) override;
  void release(SessionId session) override;
  uint32_t length(SessionId session) const override;
  SliceMemory memory() const override { return memory_; }
  uint32_t kv_free_tokens() const override { return pages_.free_tokens(); }

 private:
  // Rows [begin, begin + count) of a batch, computed together.
  struct Part {
    uint32_t begin;
    uint32_t count;
  };

  SliceImpl(Backend& backend, const model::ModelConfig& config, const SliceOptions& options,
            const SliceShape& shape)
      : backend_(backend),
        config_(config),
        options_(options),
        shape_(shape),
        pages_(shape.kv.page_count) {}

  Result<> make_room(const BatchPlan& plan);
  Result<SliceOutput> compute(const SliceBatch& batch, const BatchPlan& plan);
  Result<> compute_part(const SliceBatch& batch, const BatchPlan& plan, Part part,
                        SliceOutput& output);
  // head_rows_ = the output norm of these rows of scratch_.x, at most logits_rows of them.
  void norm_rows(std::span<const uint32_t> rows);
  // `wanted`: rows of scratch_.x.
  Result<> compute_logits(std::span<const uint32_t> wanted, std::span<float> logits);
  Result<> compute_embeddings(std::span<const uint32_t> wanted, std::span<float> embeddings);
  void count_memory();

  Backend& backend_;
  const model::ModelConfig config_;
  const SliceOptions options_;
  const SliceShape shape_;
  SliceWeights weights_;
  BlockParams params_;
  BlockScratch scratch_;
  std::unique_ptr<Buffer> head_rows_;  // [logits_rows, hidden]
  std::unique_ptr<Buffer> logits_;     // [logits_rows, vocab]
  std::unique_ptr<KvStore> kv_;
  KvPages pages_;
  // Positions each session has; at least one page is held for each, which bounds their number.
  std::unordered_map<SessionId, uint32_t> lengths_;
  SliceMemory memory_;
};

Result<std::unique_ptr<Slice>> SliceImpl::load(Backend& backend, const model::Model& model,
                                               const SliceOptions& options,
                                               const LoadProgress& progress) {
  const model::ModelConfig& config = model.config();
  WEFT_TRY(const SliceShape shape, slice_shape(config, options));
  auto slice = std::unique_ptr<SliceImpl>(new SliceImpl(backend, config, options, shape));
  WEFT_TRY(slice->weights_,
           load_slice_weights(backend, model, options.first_layer, options.last_layer, progress));
  WEFT_TRY(slice->kv_, backend.allocate_kv(shape.kv));
  WEFT_TRY(slice->scratch_, BlockScratch::allocate(backend, config, shape.rows));
  if (slice->last()) {
    WEFT_TRY(slice->head_rows_, backend.allocate(size_t{shape.logits_rows} * config.hidden_dim));
    WEFT_TRY(slice->logits_, backend.allocate(size_t{shape.logits_rows} * config.vocab_size));
  }
  slice->params_ = {.attention = {.head_count = config.head_count,
                                  .kv_head_count = config.kv_head_count,
                                  .head_dim = config.head_dim,
                                  .scale = config.attention_scale},
                    .rope = make_rope_table(config.rope, shape.position_count),
                    .norm_epsilon = config.norm_epsilon,
                    .hidden_dim = config.hidden_dim,
                    .ffn_dim = config.ffn_dim};
  if (options.kv_resident) slice->kv_->make_resident();
  slice->count_memory();
  return std::unique_ptr<Slice>(std::move(slice));
}

void SliceImpl::count_memory() {
  const auto add = [this](const std::unique_ptr<Weight>& weight) {
    if (weight) memory_.weight_bytes += weight->bytes();
  };
  add(weights_.embedding);
  for (const BlockWeights& block : weights_.blocks) {
    for (const auto* weight :
         {&block.attn_norm, &block.attn_q, &block.attn_k, &block.attn_v, &block.attn_q_bias,
          &block.attn_k_bias, &block.attn_v_bias, &block.attn_q_norm, &block.attn_k_norm,
          &block.attn_output, &block.ffn_norm, &block.ffn_gate, &block.ffn_up, &block.ffn_down}) {
      add(*weight);
    }
  }
  add(weights_.output_norm);
  add(weights_.output);
  memory_.kv_bytes = shape_.kv.bytes();
  memory_.scratch_bytes = scratch_bytes(config_, shape_);
}

uint32_t SliceImpl::length(SessionId session) const {
  const auto found = lengths_.find(session);
  return found == lengths_.end() ? 0 : found->second;
}

Result<> SliceImpl::reserve(SessionId session, uint32_t token_count) {
  if (token_count > config_.context_length) {
    return Error(ErrorCode::kInvalid,
                 cat(token_count, " tokens do not fit the context of ", config_.context_length,
                     "; shorten the prompt or ask for fewer tokens"));
  }
  return pages_.reserve(session, token_count);
}

void SliceImpl::release(SessionId session) {
  pages_.release(session);
  lengths_.erase(session);
}

// Pages for all sessions of the batch or for none.
Result<> SliceImpl::make_room(const BatchPlan& plan) {
  uint64_t missing = 0;
  for (const SessionSpan& span : plan.spans) {
    missing += pages_.missing_pages(span.session, span.end);
  }
  if (missing > pages_.free_pages()) {
    return Error(ErrorCode::kExhausted,
                 cat("the KV cache is full: the batch needs ", missing, " more pages of ",
                     kPageTokens, " tokens, ", pages_.free_pages(), " of ", shape_.kv.page_count,
                     " are free; retry when another stream has ended"));
  }
  for (const SessionSpan& span : plan.spans) WEFT_CHECK(pages_.reserve(span.session, span.end));
  return {};
}

Result<SliceOutput> SliceImpl::forward(const SliceBatch& batch) {
  const BatchLimits limits{.takes_tokens = first(),
                           .hidden_dim = config_.hidden_dim,
                           .vocab_size = config_.vocab_size,
                           .context_length = config_.context_length,
                           .length_of = [this](SessionId session) { return length(session); }};
  WEFT_TRY(const BatchPlan plan, check_batch(batch, limits));

  std::vector<uint32_t> pages_before;
  for (const SessionSpan& span : plan.spans) {
    pages_before.push_back(uint32_t(pages_.pages(span.session).size()));
  }
  WEFT_CHECK(make_room(plan));

  auto output = compute(batch, plan);
  for (size_t i = 0; i < plan.spans.size(); ++i) {
    const SessionSpan& span = plan.spans[i];
    if (output.ok()) {
      lengths_[span.session] = span.end;
      continue;
    }
    // The device failed midway: what was written from `begin` on cannot be trusted, what lies
    // before it stands.
    pages_.shrink(span.session, pages_before[i]);
    const auto found = lengths_.find(span.session);
    if (found != lengths_.end()) found->second = std::min(found->second, span.begin);
  }
  return output;
}

Result<SliceOutput> SliceImpl::compute(const SliceBatch& batch, const BatchPlan& plan) {
  SliceOutput output;
  if (last()) {
    WEFT_TRY(output.logits,
             make_array<float>(plan.wanted_rows.size() * config_.vocab_size, "logits"));
    WEFT_TRY(output.embeddings, make_array<float>(
                                    plan.embedding_rows.size() * config_.hidden_dim, "embeddings"));
  } else {
    WEFT_TRY(output.hidden,
             make_array<float>(size_t{plan.row_count} * config_.hidden_dim, "hidden states"));
  }
  for (uint32_t begin = 0; begin < plan.row_count; begin += shape_.rows) {
    const Part part{begin, std::min(shape_.rows, plan.row_count - begin)};
    WEFT_CHECK(compute_part(batch, plan, part, output));
  }
  return output;
}

Result<> SliceImpl::compute_part(const SliceBatch& batch, const BatchPlan& plan, Part part,
                                 SliceOutput& output) {
  std::vector<KvRow> kv_rows(part.count);
  for (uint32_t i = 0; i < part.count; ++i) {
    const uint32_t row = part.begin + i;
    kv_rows[i] = {plan.positions[row], pages_.pages(plan.spans[plan.span_of_row[row]].session)};
  }
  const BlockRows rows{std::span(plan.positions).subspan(part.begin, part.count), kv_rows};

  const size_t hidden_begin = size_t{part.begin} * config_.hidden_dim;
  const size_t hidden_count = size_t{part.count} * config_.hidden_dim;
  if (first()) {
    backend_.embed(*scratch_.x, *weights_.embedding,
                   std::span(batch.tokens).subspan(part.begin, part.count));
  } else {
    backend_.write(*scratch_.x, batch.hidden.subspan(hidden_begin, hidden_count));
  }
  for (uint32_t layer = 0; layer < shape_.kv.layer_count; ++layer) {
    run_block(backend_, weights_.blocks[layer], params_, scratch_, *kv_, layer, rows);
  }
  if (!last()) {
    WEFT_CHECK(backend_.finish());
    backend_.read(std::span(output.hidden).subspan(hidden_begin, hidden_count), *scratch_.x);
    return {};
  }

  // Those of the rows that lie in this part, counted from its beginning; and how many lie before.
  const auto within = [part](const std::vector<uint32_t>& all) {
    const auto begin = std::lower_bound(all.begin(), all.end(), part.begin);
    const auto end = std::lower_bound(begin, all.end(), part.begin + part.count);
    std::vector<uint32_t> found(begin, end);
    for (uint32_t& row : found) row -= part.begin;
    return std::pair(std::move(found), size_t(begin - all.begin()));
  };
  const auto [embedded, embedded_done] = within(plan.embedding_rows);
  WEFT_CHECK(compute_embeddings(
      embedded, std::span(output.embeddings).subspan(embedded_done * config_.hidden_dim)));
  const auto [wanted, done] = within(plan.wanted_rows);
  return compute_logits(wanted, std::span(output.logits).subspan(done * config_.vocab_size));
}

void SliceImpl::norm_rows(std::span<const uint32_t> rows) {
  backend_.gather_rows(*head_rows_, *scratch_.x, config_.hidden_dim, rows);
  backend_.rms_norm(*head_rows_, *head_rows_, *weights_.output_norm, uint32_t(rows.size()),
                    config_.norm_epsilon);
}

Result<> SliceImpl::compute_embeddings(std::span<const uint32_t> wanted,
                                       std::span<float> embeddings) {
  while (!wanted.empty()) {
    const auto rows = wanted.first(std::min<size_t>(shape_.logits_rows, wanted.size()));
    norm_rows(rows);
    WEFT_CHECK(backend_.finish());
    const size_t count = rows.size() * config_.hidden_dim;
    backend_.read(embeddings.first(count), *head_rows_);
    embeddings = embeddings.subspan(count);
    wanted = wanted.subspan(rows.size());
  }
  return {};
}

Result<> SliceImpl::compute_logits(std::span<const uint32_t> wanted, std::span<float> logits) {
  if (wanted.empty()) return backend_.finish();
  for (size_t done = 0; done < wanted.size(); done += shape_.logits_rows) {
    const auto rows =
        wanted.subspan(done).first(std::min<size_t>(shape_.logits_rows, wanted.size() - done));
    const uint32_t count = uint32_t(rows.size());
    norm_rows(rows);
    const MatmulTarget target{&weights_.head(), logits_.get()};
    backend_.matmul({&target, 1}, *head_rows_, count);
    WEFT_CHECK(backend_.finish());
    backend_.read(logits.subspan(done * config_.vocab_size, size_t{count} * config_.vocab_size),
                  *logits_);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Slice>> Slice::load(
    Backend& backend, const model::Model& model, const SliceOptions& options,
    const std::function<bool(uint64_t, uint64_t)>& progress) {
  return SliceImpl::load(backend, model, options, progress)
      .within(cat("load layers ", options.first_layer, "-", int64_t{options.last_layer} - 1));
}

}  // namespace weft::kernels
