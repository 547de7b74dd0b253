#include "node/slice_compute.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/text.h"

namespace weft::node {
namespace {

// Far more than the mesh ever has under way: two batches, and one release per closed session.
constexpr size_t kCommandsMax = 8192;

}  // namespace

SliceCompute::SliceCompute(ComputeBackends backends, ComputeCalls calls, Trace* trace)
    : backends_(std::move(backends)), calls_(std::move(calls)), trace_(trace),
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

void SliceCompute::trace_operations() {
  if (!trace_) return;
  for (const auto& backend : {backends_.device.get(), backends_.processor.get()}) {
    if (!backend) continue;
    backend->observe([this](std::string_view name, Time begin, Time end) {
      trace_->add_operation(name, begin, end);
    });
  }
}

void SliceCompute::run() {
  trace_operations();
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
    if (std::exchange(change_untold_, false)) calls_.changed(*backends_.device);
    if (calls_.rest(woken_.get())) {
      for (auto& [epoch, loaded] : slices_) loaded.slice->expect_batch();
    }
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
  auto slice = load_and_serve(request);
  if (!slice.ok() && fall_back(slice.error())) slice = load_and_serve(request);
  if (!slice.ok()) {
    if (slice.error().code != ErrorCode::kCancelled) {
      calls_.loaded({request.epoch,
                     std::move(slice).error().within(cat("load ", request.model_path)), 0});
    }
    return;
  }
  const kernels::SliceMemory memory = slice->slice->memory();
  log_info("slice.loaded", {{"epoch", request.epoch.value},
                            {"layers", cat(request.first_layer, "-", request.last_layer - 1)},
                            {"weights", format_bytes(memory.weight_bytes)},
                            {"kv", format_bytes(memory.kv_bytes)},
                            {"on_processor", backends_.processor
                                                 ? slice->device_from - request.first_layer : 0},
                            {"slices", slices_.size() + 1}});
  const Epoch epoch = request.epoch;
  slices_[epoch] = {std::move(request), std::move(slice->slice), slice->device_bytes, {}, {}};
  calls_.loaded({epoch, {}, memory.weight_bytes + memory.kv_bytes + memory.scratch_bytes});
}

Result<kernels::PlacedSlice> SliceCompute::load_and_serve(const LoadRequest& request) {
  loading_ = true;
  float reported = 0;
  auto slice = load_slice(request, [&](uint64_t done, uint64_t total) {
    const float progress = total > 0 ? float(double(done) / double(total)) : 0.0f;
    if (progress >= reported + 0.02f) {
      reported = progress;
      calls_.progress({request.epoch, progress});
    }
    serve_while_loading();
    return !stopping_ && request.epoch.value >= wanted_epoch_;
  });
  loading_ = false;
  return slice;
}

Result<kernels::PlacedSlice> SliceCompute::load_slice(
    const LoadRequest& request, const std::function<bool(uint64_t, uint64_t)>& progress) {
  kernels::SliceOptions options;
  options.first_layer = request.first_layer;
  options.last_layer = request.last_layer;
  options.kv_tokens = request.kv_tokens;
  options.kv_type = request.kv_type;
  options.kv_resident = true;
  options.rows_max = std::max<uint32_t>(request.rows_max, 1);
  options.adapters = request.adapters;
  kernels::SlicePlaces places{*backends_.device, backends_.device_bytes,
                              backends_.processor.get()};
  for (const auto& [epoch, loaded] : slices_) {
    places.device_bytes -= std::min(places.device_bytes, loaded.device_bytes);
  }
  return kernels::load_placed_slice(places, *request.model, options, progress);
}

bool SliceCompute::fall_back(const Error& error) {
  const bool failed = error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kExhausted;
  // A batch that fails while another slice loads is that load's to find out.
  if (!failed || loading_ || fell_back_ || !calls_.fallback) return false;
  fell_back_ = true;
  log_error("backend.failed", {{"backend", cat(backends_.device->name(), " ",
                                               backends_.device->detail())},
                               {"error", error.message}});
  auto made = calls_.fallback();
  if (!made.ok()) {
    log_error("backend.fallback", {{"error", made.error().message}});
    return false;
  }
  for (auto& [epoch, loaded] : slices_) {
    loaded.slice.reset();
    loaded.device_bytes = 0;
  }
  backends_ = {*std::move(made)};
  trace_operations();
  change_untold_ = bool(calls_.changed);
  for (auto& [epoch, loaded] : slices_) {
    auto slice = load_slice(loaded.request, [this](uint64_t, uint64_t) { return !stopping_; });
    if (slice.ok()) {
      loaded.slice = std::move(slice->slice);
    } else {
      log_error("backend.fallback", {{"epoch", epoch.value}, {"error", slice.error().message}});
    }
  }
  std::erase_if(slices_, [](const auto& entry) { return !entry.second.slice; });
  log_warn("backend.fallback", {{"backend", cat(backends_.device->name(), " ",
                                                backends_.device->detail())}});
  return true;
}

void SliceCompute::carry_out(Drop& drop) {
  std::erase_if(slices_, [&](const auto& entry) { return entry.first < drop.before; });
}

void SliceCompute::carry_out(Release& release) {
  Loaded* on = loaded(release.epoch);
  if (!on) return;
  on->slice->release(release.session);
  on->constraints.release(release.session);
  on->poolings.release(release.session);
  calls_.released({release.epoch, on->slice->kv_free_tokens()});
}

void SliceCompute::carry_out(Submit& submit) {
  const SystemClock clock;
  const Time start = clock.now();
  running_job_ = submit.job;
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
    if (!on->slice->keeps(sequence.session, sequence.first_position)) {
      output.sequences[i].error = Error(
          ErrorCode::kUnavailable, "this device has lost what it had computed of the stream");
    } else if (auto reserved = on->slice->reserve(sequence.session, needed); !reserved.ok()) {
      output.sequences[i].error = std::move(reserved).error();
    } else {
      chosen.push_back(i);
    }
  }
  if (chosen.empty()) return output;
  auto done = forward(*on, batch, chosen, output.sequences);
  if (done.ok()) return output;
  if (fall_back(done.error())) return run_batch(batch);
  // One sequence spoils the batch: no session has advanced, so each runs alone and the bad one
  // gets its error.
  for (const size_t i : chosen) {
    auto alone = forward(*on, batch, {i}, output.sequences);
    if (!alone.ok()) output.sequences[i].error = std::move(alone).error();
  }
  return output;
}

void SliceCompute::finish_rows(Loaded& on, const mesh::BatchSequence& sequence,
                               const RowScores& scores, std::span<const float> embeddings,
                               mesh::SequenceOutput& out) {
  const model::Model& model = *on.request.model;
  if (sequence.pooling != transport::Pooling::kNone) {
    auto vector = on.poolings.take(sequence, embeddings, model.config().hidden_dim);
    if (vector.ok()) {
      out.embedding = std::move(*vector);
    } else {
      out.error = std::move(vector).error();
    }
  } else if (sequence.sample) {
    auto drawn = on.constraints.draw(model.file(), sequence.session, scores, sequence.sampling,
                                     sequence.history,
                                     uint64_t(sequence.first_position) + sequence.row_count);
    if (drawn.ok()) {
      out.token = drawn->token;
      out.logprobs = std::move(drawn->logprobs);
    } else {
      out.error = std::move(drawn).error();
    }
  }
}

Result<> SliceCompute::forward(Loaded& on, const mesh::BatchJob& batch,
                               const std::vector<size_t>& chosen,
                               std::vector<mesh::SequenceOutput>& outputs) {
  const model::ModelConfig& config = on.request.model->config();
  kernels::SliceBatch slice_batch;
  std::vector<float> hidden;
  for (const size_t i : chosen) {
    const mesh::BatchSequence& sequence = batch.sequences[i];
    const bool draws = sequence.sample && sequence.pooling == transport::Pooling::kNone;
    const model::BestWanted wanted = model::best_wanted(sequence.sampling, config.vocab_size);
    slice_batch.sequences.push_back({sequence.session, sequence.first_position, sequence.row_count,
                                     on.slice->last() && draws ? 1u : 0u,
                                     on.slice->last() ? Poolings::rows_wanted(sequence) : 0u,
                                     wanted.count, wanted.total ? &sequence.sampling : nullptr});
    slice_batch.tokens.insert(slice_batch.tokens.end(), sequence.tokens.begin(),
                              sequence.tokens.end());
    for (const SharedBytes& piece : sequence.hidden) {
      const std::span<const float> rows = piece.floats();
      hidden.insert(hidden.end(), rows.begin(), rows.end());
    }
  }
  slice_batch.hidden = hidden;
  if (calls_.nearly_done) slice_batch.nearly_done = [this] { calls_.nearly_done(running_job_); };
  WEFT_TRY(kernels::SliceOutput result, on.slice->forward(slice_batch));

  std::span<const float> hidden_rows = result.hidden, logits = result.logits,
                         embeddings = result.embeddings;
  std::span<const TokenLogit> best = result.best;
  std::span<const kernels::SliceOutput::Others> others = result.others;
  const auto take = [](auto& from, size_t count) {
    const auto taken = from.first(count);
    from = from.subspan(count);
    return taken;
  };
  for (size_t k = 0; k < chosen.size(); ++k) {
    const mesh::BatchSequence& sequence = batch.sequences[chosen[k]];
    const kernels::SequenceRows& asked = slice_batch.sequences[k];
    mesh::SequenceOutput& out = outputs[chosen[k]];
    if (!on.slice->last()) {
      const auto own = take(hidden_rows, size_t{sequence.row_count} * config.hidden_dim);
      out.hidden = SharedBytes::adopt(std::vector<float>(own.begin(), own.end()));
    } else {
      const size_t whole = asked.best_count > 0 ? 0 : asked.logits_count;
      RowScores scores{take(logits, whole * config.vocab_size),
                       take(best, size_t{asked.logits_count} * asked.best_count)};
      for (const auto& rest : take(others, asked.logits_count - whole)) {
        scores.logits = rest.logits;
        scores.total = rest.total;
      }
      finish_rows(on, sequence, scores,
                  take(embeddings, size_t{asked.embedding_count} * config.hidden_dim), out);
    }
  }
  return {};
}

}  // namespace weft::node
