#include "kernels/split_slice.h"

#include <algorithm>

#include "kernels/slice_memory.h"

namespace weft::kernels {
namespace {

uint64_t total(const SliceMemory& memory) {
  return memory.weight_bytes + memory.kv_bytes + memory.scratch_bytes;
}

class SplitSlice final : public Slice {
 public:
  SplitSlice(std::unique_ptr<Slice> front, std::unique_ptr<Slice> back)
      : front_(std::move(front)), back_(std::move(back)) {}

  bool first() const override { return front_->first(); }
  bool last() const override { return back_->last(); }

  void expect_batch() override { front_->expect_batch(); }
  // If the second part fails the first one has advanced; the next rows roll it back.
  Result<SliceOutput> forward(const SliceBatch& batch) override {
    SliceBatch front = batch;
    front.nearly_done = {};
    for (SequenceRows& sequence : front.sequences) {
      sequence.logits_count = sequence.embedding_count = 0;
    }
    WEFT_TRY(const SliceOutput between, front_->forward(front));
    SliceBatch back;
    back.sequences = batch.sequences;
    back.hidden = between.hidden;
    back.nearly_done = batch.nearly_done;
    return back_->forward(back);
  }
  Result<> reserve(SessionId session, uint32_t token_count) override {
    WEFT_CHECK(front_->reserve(session, token_count));
    return back_->reserve(session, token_count);
  }
  void release(SessionId session) override {
    front_->release(session);
    back_->release(session);
  }
  uint32_t length(SessionId session) const override {
    return std::min(front_->length(session), back_->length(session));
  }
  bool keeps(SessionId session, uint32_t position) const override {
    return front_->keeps(session, position) && back_->keeps(session, position);
  }
  SliceMemory memory() const override {
    const SliceMemory a = front_->memory(), b = back_->memory();
    return {a.weight_bytes + b.weight_bytes, a.kv_bytes + b.kv_bytes,
            a.scratch_bytes + b.scratch_bytes};
  }
  uint32_t kv_free_tokens() const override {
    return std::min(front_->kv_free_tokens(), back_->kv_free_tokens());
  }

 private:
  std::unique_ptr<Slice> front_, back_;
};

}  // namespace

Result<uint32_t> device_layers_from(const SlicePlaces& places, const model::Model& model,
                                    const SliceOptions& options) {
  if (!places.processor) return options.first_layer;
  uint32_t from = options.last_layer;
  while (from > options.first_layer) {
    SliceOptions part = options;
    part.first_layer = from - 1;
    WEFT_TRY(const SliceMemory memory,
             estimate_slice_memory(model, part, places.device.name()));
    if (total(memory) > places.device_bytes) break;
    --from;
  }
  return from;
}

Result<PlacedSlice> load_placed_slice(
    const SlicePlaces& places, const model::Model& model, const SliceOptions& options,
    const std::function<bool(uint64_t, uint64_t)>& progress) {
  PlacedSlice placed;
  WEFT_TRY(placed.device_from, device_layers_from(places, model, options));
  if (placed.device_from == options.last_layer) {
    WEFT_TRY(placed.slice, Slice::load(*places.processor, model, options, progress));
    return placed;
  }
  if (placed.device_from == options.first_layer) {
    WEFT_TRY(placed.slice, Slice::load(places.device, model, options, progress));
    placed.device_bytes = total(placed.slice->memory());
    return placed;
  }
  SliceOptions front = options, back = options;
  front.last_layer = back.first_layer = placed.device_from;
  WEFT_TRY(const SliceMemory front_memory, estimate_slice_memory(model, front, "cpu"));
  WEFT_TRY(const SliceMemory back_memory, estimate_slice_memory(model, back, "cpu"));
  const uint64_t front_bytes = front_memory.weight_bytes, back_bytes = back_memory.weight_bytes;
  const auto tell = [&](uint64_t done) {
    return !progress || progress(std::min(done, front_bytes + back_bytes),
                                 front_bytes + back_bytes);
  };
  WEFT_TRY(auto first, Slice::load(*places.processor, model, front,
                                   [&](uint64_t done, uint64_t) { return tell(done); }));
  WEFT_TRY(auto second, Slice::load(places.device, model, back, [&](uint64_t done, uint64_t) {
    return tell(front_bytes + done);
  }));
  placed.device_bytes = total(second->memory());
  placed.slice = std::make_unique<SplitSlice>(std::move(first), std::move(second));
  return placed;
}

}  // namespace weft::kernels
