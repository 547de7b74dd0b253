// The vulkan backend: operations recorded as dispatches, run at finish().
//
// Arithmetic: quantized weights times activations quantized to 8 bits per block, integer products
// within a block, f32 sums over blocks in one order for any number of rows. All of it in 32 bits:
// no device is too old for it.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "kernels/vulkan/kv_store.h"
#include "kernels/vulkan/upload.h"
#include "kernels/vulkan/weight.h"

namespace weft::kernels {

class VulkanBackend final : public Backend {
 public:
  static Result<std::unique_ptr<VulkanBackend>> create(const VulkanOptions& options);
  ~VulkanBackend() override;

  std::string_view name() const override { return "vulkan"; }
  std::string_view detail() const override { return detail_; }
  uint64_t memory_bytes() const override;
  void observe(OperationObserver observer) override { recorder_->observe(std::move(observer)); }
  VulkanDevice& device() const { return *device_; }

  Result<std::unique_ptr<Weight>> load(const TensorView& tensor, WeightUse use) override;
  Result<std::unique_ptr<Buffer>> allocate(size_t floats) override;
  Result<std::unique_ptr<KvStore>> allocate_kv(const KvShape& shape) override;

  void write(Buffer& to, std::span<const float> from) override;
  void read(std::span<float> to, const Buffer& from) override;
  void embed(Buffer& out, const Weight& table, std::span<const TokenId> tokens,
             float scale) override;
  void rms_norm(Buffer& out, const Buffer& x, const Weight& weight, uint32_t rows,
                float epsilon) override;
  void matmul(std::span<const MatmulTarget> targets, const Buffer& x, uint32_t rows) override;
  void rope(Buffer& x, uint32_t rows, uint32_t heads, uint32_t head_dim, const RopeTable& table,
            std::span<const uint32_t> positions) override;
  void append_kv(KvStore& kv, uint32_t layer, const Buffer& k, const Buffer& v,
                 std::span<const KvRow> rows) override;
  void attention(Buffer& out, const Buffer& q, const KvStore& kv, uint32_t layer,
                 std::span<const KvRow> rows, const AttentionParams& params) override;
  void glu(model::Activation activation, Buffer& out, const Buffer& gate, const Buffer& up,
           size_t count) override;
  void soft_cap(Buffer& x, float cap, size_t count) override;
  void add(Buffer& x, const Buffer& y, size_t count) override;
  void add_bias(Buffer& x, const Weight& bias, uint32_t rows) override;
  void choose_experts(Buffer& choice, const Buffer& logits, const ExpertRows& rows) override;
  void matmul_experts(std::span<const MatmulTarget> targets, const Buffer& x, bool spread,
                      const Buffer& choice, const ExpertRows& rows) override;
  void add_expert_bias(Buffer& x, const Weight& bias, const Buffer& choice,
                       const ExpertRows& rows) override;
  void add_experts(Buffer& x, const Buffer& y, uint32_t cols, const Buffer& choice,
                   const ExpertRows& rows) override;
  void gather_rows(Buffer& to, const Buffer& from, uint32_t cols,
                   std::span<const uint32_t> indices) override;
  void best_logits(Buffer& best, const Buffer& logits, uint32_t rows, uint32_t cols,
                   uint32_t count) override;
  void total_weights(Buffer& totals, const Buffer& logits, const Buffer& best, uint32_t rows,
                     uint32_t cols, uint32_t count, std::span<const float> scales) override;
  Result<> finish() override;

 private:
  // Binding order of the shader, with a bit in `writes` for each that it writes.
  struct Call {
    std::string_view shader;
    std::vector<uint32_t> constants;
    std::vector<const VulkanBuffer*> buffers;
    uint32_t writes;
    std::vector<uint32_t> push;
    std::array<uint32_t, 3> groups;
  };

  // Choices by expert, in groups that are multiplied together: shaders/group_experts.comp.
  struct Groups {
    const VulkanBuffer* list = nullptr;  // null: one by one
    uint32_t lanes = 0;  // of a workgroup that multiplies a group
    uint32_t most = 0;   // groups
    uint32_t order = 0;  // where the choices are in the list
  };

  explicit VulkanBackend(std::unique_ptr<VulkanDevice> device)
      : device_(std::move(device)), memory_(*device_), pipelines_(*device_) {}
  void dispatch(const Call& call);
  void fail(Error error);
  // Where in the parameters these words lie when the batch runs. The same words as at the call
  // before with the same `last` lie where those lay.
  struct Put {
    std::vector<uint32_t> words;
    uint32_t at = 0;
    const void* of = nullptr;
  };
  uint32_t put(std::span<const uint32_t> words, Put& last);
  // What was put last of this thing; the older of the two gives way to a new one.
  static Put& last_of(std::array<Put, 2>& lasts, const void* thing);
  uint32_t put_rows(const KvStore& kv, std::span<const KvRow> rows);
  uint32_t put_angles(const RopeTable& table, std::span<const uint32_t> positions);
  // The buffer, or a larger one in its place; null after a failure.
  const VulkanBuffer* grown(std::unique_ptr<VulkanBuffer>& buffer, uint64_t bytes);
  // x in blocks of 32 or 256, for products with weights of that kind; null after a failure.
  const VulkanBuffer* quantized(uint32_t block, const VulkanBuffer& x, uint32_t rows,
                                uint32_t cols);
  Groups group_experts(const VulkanBuffer& choices, const ExpertRows& rows);
  // product(out, weight, part, x, blocks) for every part of the targets' weights; x [rows, cols] as
  // products with that weight take it, in so many blocks a row, made once for each kind. None
  // follows a failure.
  template <typename Product>
  void each_product(std::span<const MatmulTarget> targets, const Buffer& x, uint32_t rows,
                    Product&& product);

  std::unique_ptr<VulkanDevice> device_;
  VulkanMemory memory_;
  VulkanPipelines pipelines_;
  std::unique_ptr<VulkanRecorder> recorder_;
  std::optional<VulkanUpload> upload_;
  std::string detail_;
  std::unique_ptr<VulkanBuffer> blocks_32_, blocks_256_;
  std::unique_ptr<VulkanBuffer> groups_;
  std::array<std::unique_ptr<VulkanBuffer>, 2> rounds_;  // between the rounds of best_logits
  std::unique_ptr<VulkanBuffer> parameters_;
  std::vector<uint32_t> words_;  // of the parameters, until finish()
  Put last_indices_;
  // A batch has layers of two kinds, with and without a window, with rows and angles of their own.
  std::array<Put, 2> last_rows_, last_angles_;
  std::vector<std::unique_ptr<VulkanBuffer>> outgrown_;  // still in what is recorded
  std::optional<Error> failed_;
};

}  // namespace weft::kernels
