// Backend: where tensors live and how they are computed. One implementation per kind of device:
// reference/ (plain loops, f64 sums: the yardstick), cpu/, vulkan/.
//
// A stage's layers are a sequence of calls on one thread, ended by `finish`. A backend may run each
// call at once (cpu) or record it (gpu), so buffers are read back only after `finish`.
// Arithmetic is batch-invariant: an output element is accumulated in one order whatever the number
// of rows, so the same row gives the same bits alone and in any batch.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/sampling.h"
#include "kernels/kv_cache.h"
#include "model/model.h"

namespace weft::kernels {

// A matrix or vector of a model in the backend's own layout. Row-major in meaning: [rows, cols].
class Weight {
 public:
  virtual ~Weight() = default;
  uint32_t rows() const { return rows_; }
  uint32_t cols() const { return cols_; }
  // Memory it takes on the device.
  virtual uint64_t bytes() const = 0;

 protected:
  Weight(uint32_t rows, uint32_t cols) : rows_(rows), cols_(cols) {}

 private:
  uint32_t rows_, cols_;
};

// Floats on the device, row-major activations.
class Buffer {
 public:
  virtual ~Buffer() = default;
  size_t size() const { return size_; }  // floats

 protected:
  explicit Buffer(size_t size) : size_(size) {}

 private:
  size_t size_;
};

// A tensor of a file before a backend has taken it in.
struct TensorView {
  model::TensorType type;
  uint32_t rows;
  uint32_t cols;
  ByteView data;  // row-major blocks, rows * cols elements
  // Told of each part of `data` that a load has read to its end, by any thread; may be empty. It
  // lets go of the file's pages, so that a load never holds a tensor twice.
  std::function<void(ByteView part)> done_with = {};
};

// Bytes of a row of the file's blocks. kInvalid if type, shape and data do not fit each other.
Result<uint64_t> row_bytes_of(const TensorView& tensor);

// What a matrix is used for: it decides the layout.
enum class WeightUse {
  kMatmul,  // only multiplied with
  kLookup,  // only rows are read out (token embedding; a norm's vector is its one row)
  kBoth,    // tied embeddings
};

// cos and sin for every position up to the context length: [positions, dims/2] each, times the
// config's magnitude.
struct RopeTable {
  uint32_t dims = 0;
  bool interleaved = true;
  std::vector<float> cosines, sines;
};
RopeTable make_rope_table(const model::RopeConfig& config, uint32_t positions);

struct AttentionParams {
  uint32_t head_count = 0;
  uint32_t kv_head_count = 0;
  uint32_t head_dim = 0;
  float scale = 0;
  float soft_cap = 0;             // scores s become cap tanh(s / cap); 0: they stay
  uint32_t window = 0;            // a row attends to so many positions, its own the last; 0: to all
  const Weight* sinks = nullptr;  // [1, heads], look-up: a score of each head that has no value
};

// Rows of which each goes to `used` of `experts`. A choice is a buffer [rows, 2 used]: the experts'
// numbers, then their weights.
struct ExpertRows {
  uint32_t rows = 0;
  uint32_t experts = 0;
  uint32_t used = 0;

  // The expert that is `i`-th in row t's choice, for at = t used + i.
  uint32_t chosen(std::span<const float> choice, size_t at) const {
    const uint32_t expert = uint32_t(choice[at / used * 2 * used + at % used]);
    WEFT_ASSERT(expert < experts);
    return expert;
  }
};

// One product of a matmul: out [rows, weight.rows()] = x [rows, weight.cols()] * weight^T.
struct MatmulTarget {
  const Weight* weight;
  Buffer* out;
};

// Told of each operation that ran: its name (which lives as long as the program), and when, on the
// system's monotonic clock; on the backend's thread, at finish() at the latest.
using OperationObserver = std::function<void(std::string_view name, Time begin, Time end)>;

// Told, on the backend's thread, that a product has about kNearlyDone to go.
using NearlyDone = std::function<void()>;
inline constexpr Duration kNearlyDone = microseconds(100);

class Backend {
 public:
  virtual ~Backend() = default;
  // From now on; empty: nobody. A device that has no clock tells nothing.
  virtual void observe(OperationObserver observer) { observer_ = std::move(observer); }
  // The next product is the last of its sequence. `nearly_done` outlives it, and is told at most
  // once, by a backend that sees how far it is (cpu).
  void tell_in_next_product(const NearlyDone& nearly_done) { nearly_done_ = &nearly_done; }
  // A sequence is about to begin: whatever sleeps may wake up.
  virtual void expect_work() {}
  virtual std::string_view name() const = 0;    // "reference", "cpu", "vulkan"
  virtual std::string_view detail() const = 0;  // "avx2, 2 threads"
  // Memory of its own that weights and caches may take; 0: they take the system's.
  virtual uint64_t memory_bytes() const { return 0; }

  // Loading; any failure (memory above all) is an Error. The view may go away afterwards.
  virtual Result<std::unique_ptr<Weight>> load(const TensorView& tensor, WeightUse use) = 0;
  virtual Result<std::unique_ptr<Buffer>> allocate(size_t floats) = 0;
  virtual Result<std::unique_ptr<KvStore>> allocate_kv(const KvShape& shape) = 0;

  // Host to device and back.
  virtual void write(Buffer& to, std::span<const float> from) = 0;
  virtual void read(std::span<float> to, const Buffer& from) = 0;

  // out[t, :] = scale * table[tokens[t], :]
  virtual void embed(Buffer& out, const Weight& table, std::span<const TokenId> tokens,
                     float scale) = 0;
  // out[t, :] = x[t, :] / rms(x[t, :]) * weight; out and x may be one buffer. arXiv:1910.07467
  virtual void rms_norm(Buffer& out, const Buffer& x, const Weight& weight, uint32_t rows,
                        float epsilon) = 0;
  // Several products of the same x; a backend prepares x (quantizes, tiles) once.
  virtual void matmul(std::span<const MatmulTarget> targets, const Buffer& x, uint32_t rows) = 0;
  // Rotates x [rows, heads, head_dim] in place; positions [rows].
  virtual void rope(Buffer& x, uint32_t rows, uint32_t heads, uint32_t head_dim,
                    const RopeTable& table, std::span<const uint32_t> positions) = 0;
  // Appends k and v [rows, kv_dim] to the cache at the places in `rows` (see KvRow).
  virtual void append_kv(KvStore& kv, uint32_t layer, const Buffer& k, const Buffer& v,
                         std::span<const KvRow> rows) = 0;
  // out [rows, q_dim] = softmax(scale * q k^T) v over each row's positions up to its own, causal.
  // Grouped queries (arXiv:2305.13245): head h reads kv head h / (head_count / kv_head_count).
  virtual void attention(Buffer& out, const Buffer& q, const KvStore& kv, uint32_t layer,
                         std::span<const KvRow> rows, const AttentionParams& params) = 0;
  // out[i] = activation of gate[i] and up[i], over rows * ffn values; out may be gate.
  virtual void glu(model::Activation activation, Buffer& out, const Buffer& gate,
                   const Buffer& up, size_t count) = 0;
  // x[i] = cap tanh(x[i] / cap)
  virtual void soft_cap(Buffer& x, float cap, size_t count) = 0;
  // x[i] += y[i]
  virtual void add(Buffer& x, const Buffer& y, size_t count) = 0;
  // x[t, :] += bias, for x [rows, bias.cols()]; the bias is a look-up weight of one row.
  virtual void add_bias(Buffer& x, const Weight& bias, uint32_t rows) = 0;

  // Mixture of experts. The `used` largest of each row's logits [rows, experts], the largest first,
  // the lower number where two are equal, and the softmax of these.
  virtual void choose_experts(Buffer& choice, const Buffer& logits, const ExpertRows& rows) = 0;
  // Products with the chosen experts' parts of weights [experts * n, cols]:
  // out[t used + i, :] = x[t, :] * part(choice[t, i])^T; `spread`: x[t used + i, :] instead.
  virtual void matmul_experts(std::span<const MatmulTarget> targets, const Buffer& x, bool spread,
                              const Buffer& choice, const ExpertRows& rows) = 0;
  // x[t used + i, :] += bias[choice[t, i], :]; the bias is a look-up weight [experts, cols].
  virtual void add_expert_bias(Buffer& x, const Weight& bias, const Buffer& choice,
                               const ExpertRows& rows) = 0;
  // x[t, :] += sum over i of weight(t, i) * y[t used + i, :], for rows of `cols`.
  virtual void add_experts(Buffer& x, const Buffer& y, uint32_t cols, const Buffer& choice,
                           const ExpertRows& rows) = 0;

  // Copies whole rows: to[i, :] = from[indices[i], :].
  virtual void gather_rows(Buffer& to, const Buffer& from, uint32_t cols,
                           std::span<const uint32_t> indices) = 0;

  // The first `count` (at most kBestLogitsMax) of each row of logits [rows, cols], in the order in
  // which tokens are drawn: what is no finite number, then the largest, the lower column where two
  // are equal. best [rows, 2 count]: the columns, then their values. So logits stay on the device.
  virtual void best_logits(Buffer& best, const Buffer& logits, uint32_t rows, uint32_t cols,
                           uint32_t count) = 0;

  // Of each row of logits [rows, cols], what all its tokens weigh together (model::token_weight) at
  // the row's scale: totals [rows, 3], as model::split_total has them. best [rows, 2 count]: as
  // best_logits leaves them; a total says nothing if they are no finite numbers. Scale 0: 0.
  virtual void total_weights(Buffer& totals, const Buffer& logits, const Buffer& best,
                             uint32_t rows, uint32_t cols, uint32_t count,
                             std::span<const float> scales) = 0;

  // Ends the sequence; all results can be read when it returns.
  virtual Result<> finish() = 0;

 protected:
  OperationObserver observer_;
  const NearlyDone* nearly_done_ = nullptr;
};

std::unique_ptr<Backend> make_reference_backend();

struct CpuOptions {
  uint32_t threads = 0;       // 0: one per core this process may use
  bool force_scalar = false;  // tests: the path without vector instructions
};
Result<std::unique_ptr<Backend>> make_cpu_backend(const CpuOptions& options);

}  // namespace weft::kernels
