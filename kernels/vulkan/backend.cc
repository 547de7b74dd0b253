#include "kernels/vulkan/backend.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/assert.h"
#include "base/text.h"
#include "kernels/vulkan/operands.h"

namespace weft::kernels {
namespace {

// Of one batch: pages, positions, angles, tokens.
constexpr size_t kParameterWordsMax = size_t{1} << 20;
constexpr uint32_t kPagesMin = 16;  // a row's list is padded to powers of two from here on
constexpr uint32_t kBestChunk = 1024;  // logits of a workgroup of best_logits.comp
constexpr uint32_t kWeightsChunk = 4096;  // and of total_weights.comp
constexpr uint32_t kColumnsMax = 1u << 24;  // a float has their numbers
constexpr uint32_t kGroupsMax = 1024;  // of an elementwise operation, which strides over the rest

uint32_t elementwise_groups(size_t count) {
  return std::clamp<uint32_t>(ceil_divide(count, 128), 1, kGroupsMax);
}

}  // namespace

Result<std::unique_ptr<VulkanBackend>> VulkanBackend::create(const VulkanOptions& options) {
  WEFT_TRY(auto device, VulkanDevice::open(options));
  std::unique_ptr<VulkanBackend> made(new VulkanBackend(std::move(device)));
  WEFT_TRY(made->recorder_, VulkanRecorder::create(*made->device_));
  VulkanRecorder* const recorder = made->recorder_.get();
  made->memory_.on_free = [recorder](const VulkanBuffer& buffer) { recorder->forget(buffer); };
  made->upload_.emplace(made->memory_, *recorder);
  WEFT_TRY(made->parameters_, made->memory_.allocate(kParameterWordsMax * sizeof(uint32_t),
                                                     VulkanPlace::kUpload));
  const VulkanDeviceInfo& info = made->device_->info();
  made->detail_ = cat(info.name, ", ", info.driver);
  return made;
}

VulkanBackend::~VulkanBackend() = default;

// A tenth of a card's is left to the driver and the screen.
uint64_t VulkanBackend::memory_bytes() const {
  const VulkanDeviceInfo& info = device_->info();
  return info.kind == VulkanDeviceKind::kDiscrete ? info.memory_bytes / 10 * 9 : 0;
}

void VulkanBackend::fail(Error error) {
  if (!failed_) failed_ = std::move(error);
}

Result<std::unique_ptr<Weight>> VulkanBackend::load(const TensorView& tensor, WeightUse use) {
  WEFT_TRY(std::unique_ptr<Weight> weight, VulkanWeight::load(tensor, use, memory_, *upload_));
  return weight;
}

Result<std::unique_ptr<Buffer>> VulkanBackend::allocate(size_t count) {
  if (count > SIZE_MAX / sizeof(float)) {
    return Error(ErrorCode::kExhausted, cat("a buffer of ", count, " floats fits no device"));
  }
  WEFT_TRY(auto memory, memory_.allocate(count * sizeof(float), VulkanPlace::kDevice));
  return std::unique_ptr<Buffer>(std::make_unique<VulkanFloats>(count, std::move(memory)));
}

Result<std::unique_ptr<KvStore>> VulkanBackend::allocate_kv(const KvShape& shape) {
  WEFT_TRY(std::unique_ptr<KvStore> store, VulkanKvStore::create(shape, memory_));
  return store;
}

void VulkanBackend::write(Buffer& to, std::span<const float> from) {
  if (!recorder_->empty()) {
    if (auto done = finish(); !done.ok()) return fail(std::move(done).error());
  }
  auto written = upload_->write(memory_of(to, from.size()), 0,
                                {reinterpret_cast<const uint8_t*>(from.data()), from.size_bytes()});
  if (!written.ok()) fail(std::move(written).error());
}

void VulkanBackend::read(std::span<float> to, const Buffer& from) {
  auto done = upload_->read({reinterpret_cast<uint8_t*>(to.data()), to.size_bytes()},
                            memory_of(from, to.size()), 0);
  if (!done.ok()) fail(std::move(done).error());
}

void VulkanBackend::dispatch(const Call& call) {
  if (failed_) return;
  auto pipeline = pipelines_.get(call.shader, call.constants);
  if (!pipeline.ok()) return fail(std::move(pipeline).error());
  VulkanDispatch dispatch;
  dispatch.pipeline = *pipeline;
  WEFT_ASSERT(call.buffers.size() == dispatch.pipeline->bindings);
  WEFT_ASSERT(call.push.size() <= kVulkanPushWords);
  std::copy(call.buffers.begin(), call.buffers.end(), dispatch.buffers.begin());
  std::copy(call.push.begin(), call.push.end(), dispatch.push.begin());
  dispatch.writes = call.writes;
  dispatch.groups = call.groups;
  recorder_->add(dispatch);
}

uint32_t VulkanBackend::put(std::span<const uint32_t> words, Put& last) {
  if (!last.words.empty() && std::equal(words.begin(), words.end(), last.words.begin(),
                                        last.words.end())) {
    return last.at;
  }
  if (words_.size() + words.size() > kParameterWordsMax) {
    fail(Error(ErrorCode::kExhausted, "a batch of too many rows for the Vulkan backend"));
    return 0;
  }
  last.words.assign(words.begin(), words.end());
  last.at = uint32_t(words_.size());
  words_.insert(words_.end(), words.begin(), words.end());
  return last.at;
}

VulkanBackend::Put& VulkanBackend::last_of(std::array<Put, 2>& lasts, const void* thing) {
  if (lasts[0].of == thing) return lasts[0];
  if (lasts[1].of != thing) {
    lasts[1] = {};
    lasts[1].of = thing;
  }
  std::swap(lasts[0], lasts[1]);
  return lasts[0];
}

// For each row its position, where its pages are from the first word on, and which is the first;
// then the pages. Rows of one session share a list, which is padded, so that a longer context does
// not move what follows.
uint32_t VulkanBackend::put_rows(const KvStore& kv, std::span<const KvRow> rows) {
  std::vector<uint32_t> words(3 * rows.size());
  const uint32_t* list = nullptr;
  uint32_t list_at = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::span<const uint32_t> pages = rows[i].pages;
    if (i == 0 || pages.data() != list) {
      list = pages.data();
      list_at = uint32_t(words.size());
      words.insert(words.end(), pages.begin(), pages.end());
      const size_t padded = std::bit_ceil(std::max<size_t>(pages.size(), kPagesMin));
      words.resize(list_at + padded);
    }
    words[3 * i] = rows[i].position;
    words[3 * i + 1] = list_at;
    words[3 * i + 2] = rows[i].first_page;
  }
  return put(words, last_of(last_rows_, &kv));
}

uint32_t VulkanBackend::put_angles(const RopeTable& table, std::span<const uint32_t> positions) {
  const size_t half = table.dims / 2;
  std::vector<uint32_t> words;
  words.reserve(2 * half * positions.size());
  for (const uint32_t position : positions) {
    WEFT_ASSERT((size_t{position} + 1) * half <= table.cosines.size());
    for (const auto* values : {&table.cosines, &table.sines}) {
      for (size_t i = 0; i < half; ++i) {
        words.push_back(std::bit_cast<uint32_t>((*values)[position * half + i]));
      }
    }
  }
  return put(words, last_of(last_angles_, &table));
}

void VulkanBackend::embed(Buffer& out, const Weight& table, std::span<const TokenId> tokens,
                          float scale) {
  const VulkanWeight& weight = vulkan_weight(table);
  if (tokens.empty()) return;
  const std::vector<uint32_t> ids(tokens.begin(), tokens.end());
  const uint32_t at = put(ids, last_indices_);
  const VulkanBuffer& to = memory_of(out, tokens.size() * weight.cols());
  for (const VulkanWeight::Part& part : weight.parts()) {
    dispatch({"embed", {uint32_t(weight.type())}, {part.buffer.get(), parameters_.get(), &to}, 4,
              {at, weight.cols(), part.first, part.rows, std::bit_cast<uint32_t>(scale)},
              {ceil_divide(weight.cols(), 64), uint32_t(tokens.size()), 1}});
  }
}

void VulkanBackend::rms_norm(Buffer& out, const Buffer& x, const Weight& weight, uint32_t rows,
                             float epsilon) {
  if (rows == 0) return;
  const size_t count = size_t{rows} * weight.cols();
  const VulkanBuffer& factors = *vulkan_weight(weight).parts()[0].buffer;
  dispatch({"rms_norm", {}, {&memory_of(x, count), &factors, &memory_of(out, count)}, 4,
            {weight.cols(), std::bit_cast<uint32_t>(epsilon)}, {rows, 1, 1}});
}

void VulkanBackend::rope(Buffer& x, uint32_t rows, uint32_t heads, uint32_t head_dim,
                         const RopeTable& table, std::span<const uint32_t> positions) {
  WEFT_ASSERT(positions.size() == rows && table.dims <= head_dim);
  if (rows == 0 || table.dims == 0) return;
  const uint32_t at = put_angles(table, positions);
  dispatch({"rope", {},
            {&memory_of(x, size_t{rows} * heads * head_dim), parameters_.get()}, 1,
            {at, heads, head_dim, table.dims / 2, table.interleaved},
            {ceil_divide(uint64_t{heads} * table.dims / 2, 64), rows, 1}});
}

void VulkanBackend::append_kv(KvStore& kv, uint32_t layer, const Buffer& k, const Buffer& v,
                              std::span<const KvRow> rows) {
  const KvShape& shape = kv.shape();
  WEFT_ASSERT(layer < shape.layer_count);
  if (rows.empty()) return;
  for (const KvRow& row : rows) WEFT_ASSERT(row.page_of(row.position) < shape.page_count);
  const size_t count = rows.size() * shape.kv_dim();
  const VulkanBuffer& cache = static_cast<VulkanKvStore&>(kv).layer(layer);
  const uint32_t groups = 2 * shape.kv_head_count * ceil_divide(shape.head_dim, 32);
  dispatch({"append_kv", {uint32_t(shape.type)},
            {&memory_of(k, count), &memory_of(v, count), parameters_.get(), &cache}, 8,
            {put_rows(kv, rows), shape.kv_head_count, shape.head_dim},
            {ceil_divide(groups, 64), uint32_t(rows.size()), 1}});
}

void VulkanBackend::attention(Buffer& out, const Buffer& q, const KvStore& kv, uint32_t layer,
                              std::span<const KvRow> rows, const AttentionParams& params) {
  const KvShape& shape = kv.shape();
  WEFT_ASSERT(layer < shape.layer_count && params.kv_head_count == shape.kv_head_count &&
              params.head_dim == shape.head_dim && params.head_count % params.kv_head_count == 0);
  if (rows.empty()) return;
  for (const KvRow& row : rows) {
    WEFT_ASSERT(row.page_of(row.position) < shape.page_count);
    for (const uint32_t page : row.pages) WEFT_ASSERT(page < shape.page_count);
  }
  const size_t count = rows.size() * params.head_count * params.head_dim;
  const VulkanBuffer& cache = static_cast<const VulkanKvStore&>(kv).layer(layer);
  const VulkanBuffer& queries = memory_of(q, count);
  const VulkanBuffer& sinks =
      params.sinks ? *vulkan_weight(*params.sinks).parts()[0].buffer : queries;
  dispatch({"attention", {uint32_t(shape.type)},
            {&queries, parameters_.get(), &cache, &memory_of(out, count), &sinks}, 8,
            {put_rows(kv, rows), params.head_count, params.kv_head_count, params.head_dim,
             std::bit_cast<uint32_t>(params.scale), std::bit_cast<uint32_t>(params.soft_cap),
             params.window, params.sinks != nullptr},
            {params.head_count, uint32_t(rows.size()), 1}});
}

void VulkanBackend::glu(model::Activation activation, Buffer& out, const Buffer& gate,
                        const Buffer& up, size_t count) {
  if (count == 0) return;
  dispatch({"glu", {uint32_t(activation)},
            {&memory_of(gate, count), &memory_of(up, count), &memory_of(out, count)}, 4,
            {uint32_t(count)}, {elementwise_groups(count), 1, 1}});
}

void VulkanBackend::soft_cap(Buffer& x, float cap, size_t count) {
  if (count == 0) return;
  dispatch({"soft_cap", {}, {&memory_of(x, count)}, 1,
            {uint32_t(count), std::bit_cast<uint32_t>(cap)}, {elementwise_groups(count), 1, 1}});
}

void VulkanBackend::add(Buffer& x, const Buffer& y, size_t count) {
  if (count == 0) return;
  dispatch({"add", {}, {&memory_of(x, count), &memory_of(y, count)}, 1, {uint32_t(count)},
            {elementwise_groups(count), 1, 1}});
}

void VulkanBackend::add_bias(Buffer& x, const Weight& bias, uint32_t rows) {
  if (rows == 0) return;
  const VulkanBuffer& values = *vulkan_weight(bias).parts()[0].buffer;
  dispatch({"add_bias", {}, {&memory_of(x, size_t{rows} * bias.cols()), &values}, 1,
            {bias.cols()}, {ceil_divide(bias.cols(), 64), rows, 1}});
}

void VulkanBackend::choose_experts(Buffer& choice, const Buffer& logits, const ExpertRows& rows) {
  WEFT_ASSERT(rows.used > 0 && rows.used <= rows.experts);
  if (rows.rows == 0) return;
  const VulkanBuffer& from = memory_of(logits, size_t{rows.rows} * rows.experts);
  const VulkanBuffer& to = memory_of(choice, size_t{2} * rows.rows * rows.used);
  dispatch({"choose_experts", {}, {&from, &to}, 2, {rows.rows, rows.experts, rows.used},
            {ceil_divide(rows.rows, 64), 1, 1}});
}

void VulkanBackend::add_expert_bias(Buffer& x, const Weight& bias, const Buffer& choice,
                                    const ExpertRows& rows) {
  if (rows.rows == 0) return;
  const uint32_t count = rows.rows * rows.used;
  const VulkanBuffer& values = *vulkan_weight(bias).parts()[0].buffer;
  dispatch({"add_expert_bias", {},
            {&memory_of(x, size_t{count} * bias.cols()), &values,
             &memory_of(choice, size_t{2} * count)},
            1, {bias.cols(), rows.used}, {ceil_divide(bias.cols(), 64), count, 1}});
}

void VulkanBackend::add_experts(Buffer& x, const Buffer& y, uint32_t cols, const Buffer& choice,
                                const ExpertRows& rows) {
  if (rows.rows == 0) return;
  const size_t count = size_t{rows.rows} * rows.used;
  dispatch({"add_experts", {},
            {&memory_of(x, size_t{rows.rows} * cols), &memory_of(y, count * cols),
             &memory_of(choice, 2 * count)},
            1, {cols, rows.used}, {ceil_divide(cols, 64), rows.rows, 1}});
}

void VulkanBackend::gather_rows(Buffer& to, const Buffer& from, uint32_t cols,
                                std::span<const uint32_t> indices) {
  if (indices.empty()) return;
  for (const uint32_t index : indices) WEFT_ASSERT((size_t{index} + 1) * cols <= from.size());
  dispatch({"gather_rows", {},
            {&memory_of(from, 0), parameters_.get(), &memory_of(to, indices.size() * cols)}, 4,
            {put(indices, last_indices_), cols},
            {ceil_divide(cols, 64), uint32_t(indices.size()), 1}});
}

const VulkanBuffer* VulkanBackend::grown(std::unique_ptr<VulkanBuffer>& buffer, uint64_t bytes) {
  if (!buffer || buffer->size() < bytes) {
    auto larger = memory_.allocate(bytes, VulkanPlace::kDevice);
    if (!larger.ok()) {
      fail(std::move(larger).error());
      return nullptr;
    }
    if (buffer) outgrown_.push_back(std::move(buffer));
    buffer = *std::move(larger);
  }
  return buffer.get();
}

void VulkanBackend::best_logits(Buffer& best, const Buffer& logits, uint32_t rows, uint32_t cols,
                                uint32_t count) {
  WEFT_ASSERT(count > 0 && count <= kBestLogitsMax && count <= cols && cols <= kColumnsMax);
  if (rows == 0) return;
  const uint32_t kept = std::bit_ceil(count);
  const VulkanBuffer& values = memory_of(logits, size_t{rows} * cols);
  const VulkanBuffer* from = &values;
  uint32_t entries = cols;
  for (uint32_t round = 0;; ++round) {
    const uint32_t groups = ceil_divide(entries, kBestChunk);
    const bool last = groups == 1;
    const VulkanBuffer* to =
        last ? &memory_of(best, size_t{rows} * 2 * count)
             : grown(rounds_[round % 2], uint64_t{rows} * groups * kept * 2 * sizeof(uint32_t));
    if (!to) return;
    dispatch({"best_logits", {}, {&values, from, to}, 4,
              {cols, entries, count, kept, round == 0, last}, {groups, rows, 1}});
    if (last) return;
    from = to;
    entries = groups * kept;
  }
}

void VulkanBackend::total_weights(Buffer& totals, const Buffer& logits, const Buffer& best,
                                  uint32_t rows, uint32_t cols, uint32_t count,
                                  std::span<const float> scales) {
  WEFT_ASSERT(scales.size() == rows && cols <= kColumnsMax);
  if (rows == 0) return;
  std::vector<uint32_t> words;
  for (const float scale : scales) words.push_back(std::bit_cast<uint32_t>(scale));
  const uint32_t at = put(words, last_indices_);
  const uint32_t groups = ceil_divide(cols, kWeightsChunk);
  const VulkanBuffer& values = memory_of(logits, size_t{rows} * cols);
  const VulkanBuffer& tops = memory_of(best, size_t{rows} * 2 * count);
  const VulkanBuffer& to = memory_of(totals, size_t{3} * rows);
  const VulkanBuffer* sums = grown(rounds_[0], uint64_t{rows} * groups * 2 * sizeof(uint32_t));
  if (!sums) return;
  for (const bool last : {false, true}) {
    dispatch({"total_weights", {}, {&values, &tops, parameters_.get(), sums, &to},
              last ? 1u << 4 : 1u << 3, {cols, count, at, groups, last},
              {last ? 1 : groups, rows, 1}});
  }
}

Result<> VulkanBackend::finish() {
  Result<> done;
  if (failed_) {
    recorder_->drop();
    done = *std::exchange(failed_, std::nullopt);
  } else {
    const auto* words = reinterpret_cast<const uint8_t*>(words_.data());
    std::copy_n(words, words_.size() * sizeof(uint32_t), parameters_->mapped());  // maybe none
    done = recorder_->run();
  }
  words_.clear();
  last_rows_.fill({});
  last_angles_.fill({});
  last_indices_ = {};
  outgrown_.clear();
  return done;
}

}  // namespace weft::kernels
