#include "node/slice_compute.h"

#include <sys/eventfd.h>

#include <algorithm>

#include "base/log.h"
#include "base/text.h"

namespace weft::node {
namespace {

// Far more than the mesh ever has under way: two batches, and one release per closed session.
constexpr size_t kCommandsMax = 8192;

}  // namespace

kernels::KvType kv_type_of(transport::CacheType type) {
  switch (type) {
    case transport::CacheType::kF16: return kernels::KvType::kF16;
    case transport::CacheType::kF32: return kernels::KvType::kF32;
    case transport::CacheType::kQ8_0: return kernels::KvType::kQ8_0;
  }
  return kernels::KvType::kF16;
}

SliceCompute::SliceCompute(std::unique_ptr<kernels::Backend> backend, ComputeCalls calls,
                           Trace* trace)
    : backend_(std::move(backend)), calls_(std::move(calls)), trace_(trace),
      commands_(kCommandsMax), woken_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { run(); }) {}

SliceCompute::~SliceCompute() {
  stopping_ = true;
  commands_.close();
  eventfd_write(woken_.get(), 1);
  thread_.join();
}

bool SliceCompute::push(Command command) {
  if (!commands_.try_push(std::move(command))) return false;
  eventfd_write(woken_.get(), 1);
  return true;
}

void SliceCompute::load(LoadRequest request) {
  wanted_epoch_ = request.epoch.value;
  const Epoch epoch = request.epoch;
  if (!push(std::move(request))) {
    calls_.loaded({epoch, Error(ErrorCode::kExhausted, "the compute queue is full"), 0});
  }
}

void SliceCompute::drop(Epoch before) {
  if (wanted_epoch_ < before.value) wanted_epoch_ = before.value;
  (void)push(Drop{before});
}

bool SliceCompute::submit(uint64_t job, mesh::BatchJob batch) {
  return push(Submit{job, std::move(batch)});
}

void SliceCompute::release(Epoch epoch, SessionId session) {
  (void)push(Release{epoch, session});
}

void SliceCompute::run() {
  while (!stopping_) {
    std::optional<Command> command;
    if (postponed_.empty()) {
      command = commands_.try_pop();
    } else {
      command = std::move(postponed_.front());
      postponed_.pop_front();
    }
    if (command) {
      std::visit([this](auto& c) { carry_out(c); }, *command);
      continue;
    }
    calls_.rest(woken_.get());
    eventfd_t ignored;
    eventfd_read(woken_.get(), &ignored);
  }
}

void SliceCompute::serve_while_loading() {
  while (postponed_.empty()) {
    std::optional<Command> command = commands_.try_pop();
    if (!command) return;
    if (std::holds_alternative<LoadRequest>(*command)) {
      postponed_.push_back(std::move(*command));
    } else {
      std::visit([this](auto& c) { carry_out(c); }, *command);
    }
  }
}

SliceCompute::Loaded* SliceCompute::loaded(Epoch epoch) {
  const auto found = slices_.find(epoch);
  return found == slices_.end() ? nullptr : &found->second;
}

void SliceCompute::carry_out(LoadRequest& request) {
  if (request.epoch.value < wanted_epoch_) return;  // a newer one waits behind it
  // First, so that the new one has the room.
  std::erase_if(slices_, [&](const auto& entry) { return entry.first != request.keep; });
  kernels::SliceOptions options;
  options.first_layer = request.first_layer;
  options.last_layer = request.last_layer;
  options.kv_tokens = request.kv_tokens;
  options.kv_type = kv_type_of(request.kv_type);
  options.kv_resident = true;
  options.rows_max = std::max<uint32_t>(request.rows_max, 1);
  float reported = 0;
  auto slice = kernels::Slice::load(
      *backend_, *request.model, options, [&](uint64_t done, uint64_t total) {
        const float progress = total > 0 ? float(double(done) / double(total)) : 0.0f;
        if (progress >= reported + 0.02f) {
          reported = progress;
          calls_.progress({request.epoch, progress});
        }
        serve_while_loading();
        return !stopping_ && request.epoch.value >= wanted_epoch_;
      });
  if (!slice.ok()) {
    if (slice.error().code != ErrorCode::kCancelled) {
      calls_.loaded({request.epoch,
                     std::move(slice).error().within(cat("load ", request.model_path)), 0});
    }
    return;
  }
  const kernels::SliceMemory memory = (*slice)->memory();
  slices_[request.epoch] = {std::move(request.model), std::move(*slice), {}};
  log_info("slice.loaded", {{"epoch", request.epoch.value},
                            {"layers", cat(request.first_layer, "-", request.last_layer - 1)},
                            {"weights", format_bytes(memory.weight_bytes)},
                            {"kv", format_bytes(memory.kv_bytes)},
                            {"slices", slices_.size()}});
  calls_.loaded({request.epoch, {},
                 memory.weight_bytes + memory.kv_bytes + memory.scratch_bytes});
}

void SliceCompute::carry_out(Drop& drop) {
  std::erase_if(slices_, [&](const auto& entry) { return entry.first < drop.before; });
}

void SliceCompute::carry_out(Release& release) {
  Loaded* on = loaded(release.epoch);
  if (!on) return;
  on->slice->release(release.session);
  on->constraints.release(release.session);
}

void SliceCompute::carry_out(Submit& submit) {
  const SystemClock clock;
  const Time start = clock.now();
  Result<mesh::BatchOutput> output = run_batch(submit.batch);
  if (output.ok()) {
    output->elapsed_s = to_seconds(clock.now() - start);
    output->kv_free_tokens = loaded(submit.batch.epoch)->slice->kv_free_tokens();
  }
  const Time end = clock.now();
  calls_.done({submit.job, std::move(output)});
  if (trace_) {
    trace_->add_batch(TraceEvent::What::kCompute, submit.job, submit.batch, start, end);
  }
}

Result<mesh::BatchOutput> SliceCompute::run_batch(const mesh::BatchJob& batch) {
  Loaded* on = loaded(batch.epoch);
  if (!on) {
    return Error(ErrorCode::kStale, cat("no slice of epoch ", batch.epoch.value, " is loaded"));
  }
  mesh::BatchOutput output;
  output.sequences.resize(batch.sequences.size());
  std::vector<size_t> chosen;
  for (size_t i = 0; i < batch.sequences.size(); ++i) {
    const mesh::BatchSequence& sequence = batch.sequences[i];
    const uint32_t needed =
        std::max(sequence.reserve_tokens, sequence.first_position + sequence.row_count);
    if (auto reserved = on->slice->reserve(sequence.session, needed); !reserved.ok()) {
      output.sequences[i].error = std::move(reserved).error();
    } else {
      chosen.push_back(i);
    }
  }
  if (chosen.empty()) return output;
  if (forward(*on, batch, chosen, output.sequences).ok()) return output;
  // One sequence spoils the batch: no session has advanced, so each runs alone and the bad one
  // gets its error.
  for (const size_t i : chosen) {
    auto alone = forward(*on, batch, {i}, output.sequences);
    if (!alone.ok()) output.sequences[i].error = std::move(alone).error();
  }
  return output;
}

Result<> SliceCompute::forward(Loaded& on, const mesh::BatchJob& batch,
                               const std::vector<size_t>& chosen,
                               std::vector<mesh::SequenceOutput>& outputs) {
  kernels::SliceBatch slice_batch;
  std::vector<float> hidden;
  for (const size_t i : chosen) {
    const mesh::BatchSequence& sequence = batch.sequences[i];
    slice_batch.sequences.push_back({sequence.session, sequence.first_position, sequence.row_count,
                                     on.slice->last() && sequence.sample ? 1u : 0u});
    slice_batch.tokens.insert(slice_batch.tokens.end(), sequence.tokens.begin(),
                              sequence.tokens.end());
    for (const SharedBytes& piece : sequence.hidden) {
      const std::span<const float> rows = piece.floats();
      hidden.insert(hidden.end(), rows.begin(), rows.end());
    }
  }
  slice_batch.hidden = hidden;
  WEFT_TRY(kernels::SliceOutput result, on.slice->forward(slice_batch));

  const model::ModelConfig& config = on.model->config();
  size_t row = 0, logits_row = 0;
  for (const size_t i : chosen) {
    const mesh::BatchSequence& sequence = batch.sequences[i];
    mesh::SequenceOutput& out = outputs[i];
    if (!on.slice->last()) {
      const auto first = result.hidden.begin() + long(row * config.hidden_dim);
      out.hidden = SharedBytes::adopt(
          std::vector<float>(first, first + long(size_t(sequence.row_count) * config.hidden_dim)));
    } else if (sequence.sample) {
      const std::span<const float> logits(result.logits.data() + logits_row * config.vocab_size,
                                          config.vocab_size);
      auto drawn = on.constraints.draw(on.model->file(), sequence.session, logits,
                                       sequence.sampling, sequence.history,
                                       uint64_t(sequence.first_position) + sequence.row_count);
      if (drawn.ok()) {
        out.token = drawn->token;
        out.logprobs = std::move(drawn->logprobs);
      } else {
        out.error = std::move(drawn).error();
      }
      ++logits_row;
    }
    row += sequence.row_count;
  }
  return {};
}

}  // namespace weft::node
