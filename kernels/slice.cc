#include "kernels/slice.h"

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "kernels/block.h"
#include "kernels/memory.h"
#include "kernels/slice_cache.h"
#include "kernels/slice_memory.h"
#include "kernels/weights.h"
#include "model/sampler.h"
#include "model/token_weight.h"

namespace weft::kernels {
namespace {

class SliceImpl : public Slice {
 public:
  static Result<std::unique_ptr<Slice>> load(Backend& backend, const model::Model& model,
                                             const SliceOptions& options,
                                             const LoadProgress& progress);

  bool first() const override { return options_.first_layer == 0; }
  bool last() const override { return options_.last_layer == config_.layer_count; }
  void expect_batch() override { backend_.expect_work(); }
  Result<SliceOutput> forward(const SliceBatch& batch) override;
  Result<> reserve(SessionId session, uint32_t token_count) override;
  void release(SessionId session) override;
  uint32_t length(SessionId session) const override { return cache_->length(session); }
  bool keeps(SessionId session, uint32_t position) const override {
    return cache_->keeps(session, position);
  }
  SliceMemory memory() const override { return memory_; }
  uint32_t kv_free_tokens() const override { return cache_->free_tokens(); }

 private:
  // Rows [begin, begin + count) of a batch, computed together.
  struct Part {
    uint32_t begin;
    uint32_t count;
  };

  SliceImpl(Backend& backend, const model::ModelConfig& config, const SliceOptions& options,
            const SliceShape& shape)
      : backend_(backend), config_(config), options_(options), shape_(shape) {}

  void make_params();
  Result<SliceOutput> compute(const SliceBatch& batch, const BatchPlan& plan);
  Result<> compute_part(const SliceBatch& batch, const BatchPlan& plan, Part part,
                        SliceOutput& output);
  // head_rows_ = the output norm of these rows of scratch_.x, at most logits_rows of them.
  void norm_rows(std::span<const uint32_t> rows);
  // Rows of scratch_.x: those whose logits are all wanted, and those whose best are.
  Result<> compute_logits(std::span<const uint32_t> wanted, std::span<const BestRow> best,
                          std::span<float> logits, SliceOutput& output,
                          const NearlyDone* nearly_done);
  // What all tokens of each row of logits_ weigh, the first of which have no BestRow.
  void weigh(uint32_t first, std::span<const BestRow> rows, uint32_t most);
  // Of the rows of best_ [rows, 2 most] from `first` on.
  Result<> read_best(uint32_t first, std::span<const BestRow> rows, uint32_t most,
                     SliceOutput& output);
  // A row of logits_, whose first one is lost.
  Result<std::vector<float>> read_logits(uint32_t row);
  // `wanted`: rows of scratch_.x.
  Result<> compute_embeddings(std::span<const uint32_t> wanted, std::span<float> embeddings);

  Backend& backend_;
  const model::ModelConfig config_;
  const SliceOptions options_;
  const SliceShape shape_;
  SliceWeights weights_;
  RopeTable rope_, window_rope_;  // empty where no layer of the slice needs it
  BlockParams params_, window_params_;
  BlockScratch scratch_;
  std::unique_ptr<Buffer> head_rows_;  // [logits_rows, hidden]
  std::unique_ptr<Buffer> logits_;     // [logits_rows, vocab]
  std::unique_ptr<Buffer> best_;       // [logits_rows, 2 kBestLogitsMax] at most
  std::unique_ptr<Buffer> totals_;     // [logits_rows, 3]
  std::optional<SliceCache> cache_;
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
  WEFT_CHECK(load_slice_adapters(
      backend, list_slice_pairs(options.adapters, options.first_layer, options.last_layer),
      slice->weights_));
  WEFT_TRY(slice->cache_, SliceCache::allocate(backend, shape, config.window));
  WEFT_TRY(slice->scratch_, BlockScratch::allocate(backend, config, shape.rows));
  if (shape.low_floats > 0) {
    WEFT_TRY(slice->scratch_.adapter.low, backend.allocate(shape.low_floats));
    WEFT_TRY(slice->scratch_.adapter.delta, backend.allocate(shape.delta_floats));
  }
  if (slice->last()) {
    WEFT_TRY(slice->head_rows_, backend.allocate(size_t{shape.logits_rows} * config.hidden_dim));
    WEFT_TRY(slice->logits_, backend.allocate(size_t{shape.logits_rows} * config.vocab_size));
    WEFT_TRY(slice->best_, backend.allocate(shape.logits_rows * 2 * kBestLogitsMax));
    WEFT_TRY(slice->totals_, backend.allocate(size_t{shape.logits_rows} * 3));
  }
  slice->make_params();
  if (options.kv_resident) slice->cache_->make_resident();
  slice->memory_ = {.weight_bytes = slice->weights_.bytes(),
                    .kv_bytes = shape.kv_bytes(),
                    .scratch_bytes = scratch_bytes(config, shape)};
  return std::unique_ptr<Slice>(std::move(slice));
}

void SliceImpl::make_params() {
  const bool both = needs_window_rope(config_, shape_);
  const bool only_windowed = shape_.kv.layer_count == 0;
  rope_ = make_rope_table(only_windowed ? config_.window_rope : config_.rope,
                          shape_.position_count);
  if (both) window_rope_ = make_rope_table(config_.window_rope, shape_.position_count);
  const RopeTable* rope = rope_.dims > 0 ? &rope_ : nullptr;
  params_ = block_params(config_, false, rope);
  window_params_ = block_params(config_, true, both && rope ? &window_rope_ : rope);
}

Result<> SliceImpl::reserve(SessionId session, uint32_t token_count) {
  if (token_count > config_.context_length) {
    return Error(ErrorCode::kInvalid,
                 cat(token_count, " tokens do not fit the context of ", config_.context_length,
                     "; shorten the prompt or ask for fewer tokens"));
  }
  return cache_->reserve(session, token_count);
}

void SliceImpl::release(SessionId session) {
  cache_->release(session);
}

Result<SliceOutput> SliceImpl::forward(const SliceBatch& batch) {
  const BatchLimits limits{.takes_tokens = first(),
                           .hidden_dim = config_.hidden_dim,
                           .vocab_size = config_.vocab_size,
                           .context_length = config_.context_length,
                           .length_of = [this](SessionId session) { return length(session); }};
  WEFT_TRY(const BatchPlan plan, check_batch(batch, limits));

  WEFT_CHECK(cache_->begin(plan));
  auto output = compute(batch, plan);
  cache_->finish(plan, output.ok());
  return output;
}

Result<SliceOutput> SliceImpl::compute(const SliceBatch& batch, const BatchPlan& plan) {
  SliceOutput output;
  if (last()) {
    WEFT_TRY(output.logits,
             make_array<float>(plan.wanted_rows.size() * config_.vocab_size, "logits"));
    WEFT_TRY(output.embeddings, make_array<float>(
                                    plan.embedding_rows.size() * config_.hidden_dim, "embeddings"));
    output.best.resize(plan.best_count);
    output.others.resize(plan.best_rows.size());
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
  const SliceCache::Rows rows = cache_->rows(plan, part.begin, part.count);
  const auto positions = std::span(plan.positions).subspan(part.begin, part.count);

  const size_t hidden_begin = size_t{part.begin} * config_.hidden_dim;
  const size_t hidden_count = size_t{part.count} * config_.hidden_dim;
  if (first()) {
    backend_.embed(*scratch_.x, *weights_.embedding,
                   std::span(batch.tokens).subspan(part.begin, part.count),
                   config_.embedding_scale);
  } else {
    backend_.write(*scratch_.x, batch.hidden.subspan(hidden_begin, hidden_count));
  }
  const bool tells = batch.nearly_done && part.begin + part.count == plan.row_count;
  const NearlyDone* const nearly_done = tells ? &batch.nearly_done : nullptr;
  uint32_t kv_layers[] = {0, 0};  // of layers without and with a window
  for (uint32_t layer = options_.first_layer; layer < options_.last_layer; ++layer) {
    const bool windowed = config_.windowed(layer);
    const bool ends = layer + 1 == options_.last_layer && !last();
    run_block(backend_, weights_.blocks[layer - options_.first_layer],
              windowed ? window_params_ : params_, scratch_, *cache_->store(windowed),
              kv_layers[windowed]++,
              {positions, windowed ? rows.windowed : rows.full,
               ends ? nearly_done : nullptr});
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
  std::vector<BestRow> best;
  for (const BestRow& row : plan.best_rows) {
    if (row.row < part.begin || row.row - part.begin >= part.count) continue;
    best.push_back(row);
    best.back().row -= part.begin;
  }
  return compute_logits(wanted, best, std::span(output.logits).subspan(done * config_.vocab_size),
                        output, nearly_done);
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

Result<> SliceImpl::compute_logits(std::span<const uint32_t> wanted, std::span<const BestRow> best,
                                   std::span<float> logits, SliceOutput& output,
                                   const NearlyDone* nearly_done) {
  // The head's weights are read once for both kinds: those whose logits are all wanted come first.
  std::vector<uint32_t> all(wanted.begin(), wanted.end());
  uint32_t most = 0;
  for (const BestRow& row : best) {
    all.push_back(row.row);
    most = std::max(most, row.count);
  }
  if (all.empty()) return backend_.finish();
  for (size_t done = 0; done < all.size(); done += shape_.logits_rows) {
    const auto rows =
        std::span(all).subspan(done, std::min<size_t>(shape_.logits_rows, all.size() - done));
    const uint32_t count = uint32_t(rows.size());
    norm_rows(rows);
    const MatmulTarget target{&weights_.head(), logits_.get()};
    if (nearly_done && done + count == all.size()) backend_.tell_in_next_product(*nearly_done);
    multiply(backend_, weights_.output_adapters, {&target, 1}, *head_rows_, count,
             scratch_.adapter);
    if (config_.logit_soft_cap > 0) {
      backend_.soft_cap(*logits_, config_.logit_soft_cap, size_t{count} * config_.vocab_size);
    }
    const size_t left = wanted.size() - std::min(wanted.size(), done);
    const uint32_t whole = uint32_t(std::min<size_t>(count, left));
    std::span<const BestRow> of_best;
    if (whole < count) {
      of_best = best.subspan(done + whole - wanted.size(), count - whole);
      backend_.best_logits(*best_, *logits_, count, config_.vocab_size, most);
      weigh(whole, of_best, most);
    }
    WEFT_CHECK(backend_.finish());
    if (whole > 0) {
      backend_.read(logits.subspan(done * config_.vocab_size, size_t{whole} * config_.vocab_size),
                    *logits_);
    }
    if (whole < count) WEFT_CHECK(read_best(whole, of_best, most, output));
  }
  return {};
}

void SliceImpl::weigh(uint32_t first, std::span<const BestRow> rows, uint32_t most) {
  std::vector<float> scales(first + rows.size());  // 0: not asked for
  bool any = false;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].sampling) continue;
    scales[first + i] = model::weight_scale(rows[i].sampling->temperature);
    any = true;
  }
  if (!any) return;
  backend_.total_weights(*totals_, *logits_, *best_, uint32_t(scales.size()), config_.vocab_size,
                         most, scales);
}

Result<> SliceImpl::read_best(uint32_t first, std::span<const BestRow> rows, uint32_t most,
                              SliceOutput& output) {
  std::vector<float> values((first + rows.size()) * 2 * most);
  backend_.read(values, *best_);
  const bool weighed = std::any_of(rows.begin(), rows.end(),
                                   [](const BestRow& row) { return row.sampling != nullptr; });
  std::vector<float> totals(weighed ? (first + rows.size()) * 3 : 0);
  if (weighed) backend_.read(totals, *totals_);
  for (size_t i = 0; i < rows.size(); ++i) {
    const BestRow& row = rows[i];
    const float* of_row = values.data() + (first + i) * 2 * most;
    const auto best = std::span(output.best).subspan(row.at, row.count);
    for (uint32_t k = 0; k < row.count; ++k) best[k] = {TokenId(of_row[k]), of_row[most + k]};
    if (!row.sampling) continue;
    SliceOutput::Others& others = output.others[row.number];
    others.total = model::join_total(std::span(totals).subspan((first + i) * 3).first<3>());
    const auto drawn = model::draw_best(best, others.total, *row.sampling, row.position);
    if (drawn.ok() && *drawn) continue;
    WEFT_TRY(others.logits, read_logits(uint32_t(first + i)));
  }
  return {};
}

Result<std::vector<float>> SliceImpl::read_logits(uint32_t row) {
  WEFT_TRY(std::vector<float> logits, make_array<float>(config_.vocab_size, "logits"));
  if (row > 0) {
    backend_.gather_rows(*logits_, *logits_, config_.vocab_size, {&row, 1});
    WEFT_CHECK(backend_.finish());
  }
  backend_.read(logits, *logits_);
  return logits;
}

}  // namespace

Result<std::unique_ptr<Slice>> Slice::load(
    Backend& backend, const model::Model& model, const SliceOptions& options,
    const std::function<bool(uint64_t, uint64_t)>& progress) {
  return SliceImpl::load(backend, model, options, progress)
      .within(cat("load layers ", options.first_layer, "-", int64_t{options.last_layer} - 1));
}

}  // namespace weft::kernels
