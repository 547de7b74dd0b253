// The cpu backend's attention: rows of a session that follow one another read its pages together.
#include <algorithm>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/cpu_buffer.h"
#include "kernels/cpu/kv_store.h"
#include "kernels/operation_timer.h"

namespace weft::kernels {

namespace {

// Parts of the work for each thread, so that none waits long for the last.
constexpr uint32_t kPartsOfThread = 4;

bool follows(const KvRow& row, const KvRow& before) {
  return row.pages.data() == before.pages.data() && row.first_page == before.first_page &&
         row.position == before.position + 1;
}

}  // namespace

void CpuBackend::find_row_runs(std::span<const KvRow> rows, uint32_t most) {
  row_runs_.clear();
  for (uint32_t i = 0; i < rows.size(); ++i) {
    const bool joins = i > 0 && follows(rows[i], rows[i - 1]) && row_runs_.back().count < most;
    if (joins) {
      ++row_runs_.back().count;
    } else {
      row_runs_.push_back({i, 1});
    }
  }
}

void CpuBackend::attention(Buffer& out, const Buffer& q, const KvStore& kv, uint32_t layer,
                           std::span<const KvRow> rows, const AttentionParams& params) {
  const OperationTimer timer(observer_, "attention");
  const auto& store = static_cast<const CpuKvStore&>(kv);
  const KvShape& shape = store.shape();
  WEFT_ASSERT(layer < shape.layer_count && params.kv_head_count == shape.kv_head_count &&
              params.head_dim == shape.head_dim && params.head_count % params.kv_head_count == 0);
  for (const KvRow& row : rows) {
    WEFT_ASSERT(row.page_of(row.position) < shape.page_count);
    for (uint32_t page : row.pages) WEFT_ASSERT(page < shape.page_count);
  }
  const uint32_t shared = params.head_count / params.kv_head_count;
  const uint32_t together = std::min(shared, kSharedHeadsMax);
  const uint32_t groups = (shared + together - 1) / together;
  const uint32_t wanted = kPartsOfThread * pool_->threads();
  const uint32_t parts_of_row = params.kv_head_count * groups;
  const uint32_t most =
      std::min({kQueriesMax / together, kQueryFloatsMax / together / shape.head_dim,
                uint32_t(rows.size()) * parts_of_row / wanted});
  find_row_runs(rows, std::max(most, 1u));

  const size_t row_floats = size_t{params.head_count} * params.head_dim;
  const float* queries = floats(q, rows.size() * row_floats);
  float* results = floats(out, rows.size() * row_floats);
  const bool quantized = shape.type == KvType::kQ8_0;
  const auto attend = shape.type == KvType::kF16 ? table_.attend_f16 : table_.attend_f32;
  const float* sinks = params.sinks ? cpu_weight(*params.sinks).values().data() : nullptr;
  // Head by head, so that a prompt finds a head's pages in the cache.
  const uint32_t run_count = uint32_t(row_runs_.size());
  pool_->parallel_for(run_count * parts_of_row, [&](uint32_t chunk) {
    const RowRun run = row_runs_[chunk % run_count];
    const uint32_t kv_head = chunk / run_count / groups;
    const uint32_t group = chunk / run_count % groups;
    const uint32_t head = kv_head * shared + group * together;
    const KvRow& top = rows[run.first];
    const uint32_t first_page = top.first_seen(params.window) / kPageTokens;
    AttentionRow task_rows[kQueriesMax];
    for (uint32_t i = 0; i < run.count; ++i) {
      const KvRow& row = rows[run.first + i];
      const size_t at = (run.first + i) * row_floats + size_t{head} * params.head_dim;
      task_rows[i] = {row.first_seen(params.window) - first_page * kPageTokens,
                      row.position + 1 - first_page * kPageTokens, queries + at, results + at};
    }
    alignas(64) float expanded[kPageTokens * 2 * kHeadDimMax];  // touched for q8_0 only
    attend({store.head(layer, 0, kv_head), store.page_stride(),
            top.pages.data() + (first_page - top.first_page), task_rows, run.count, params.head_dim,
            store.value_stride(), std::min(together, shared - group * together), params.scale,
            params.soft_cap, sinks ? sinks + head : nullptr,
            quantized ? table_.expand_q8_0 : nullptr, expanded});
  });
}

}  // namespace weft::kernels
