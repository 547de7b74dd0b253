#include "node/loader.h"

#include <memory>

#include "base/log.h"
#include "base/text.h"

namespace weft::node {
namespace {

// Of the progress a stage reports: what fetching is, the rest is loading.
constexpr float kFetchShare = 0.8f;
// Progress of hashing what an earlier run fetched, before that.
constexpr float kCheckShare = 0.1f;

}  // namespace

void Loader::load(const mesh::LoadSlice& request, Time now) {
  if (request_ && !header_only_) log_info("load.replaced", {{"epoch", request_->epoch.value}});
  machine_.cancel_fetch();
  request_ = request;
  ++request_number_;
  header_only_ = false;
  advance(now);
}

void Loader::drop(Epoch before) {
  compute_.drop(before);
  if (request_ && !header_only_ && request_->epoch < before) {
    machine_.cancel_fetch();
    request_.reset();
  }
}

void Loader::want_header(ModelId model, Digest manifest, const std::string& name,
                         std::vector<NodeId> holders, Time now) {
  if (request_) return;
  request_ = mesh::LoadSlice{};
  ++request_number_;
  request_->model = model;
  request_->manifest = manifest;
  request_->model_name = name;
  request_->holders = std::move(holders);
  header_only_ = true;
  advance(now);
}

// The next step towards the slice: manifest, header, tensors (those from an earlier run are hashed
// again), load.
void Loader::advance(Time now) {
  const auto stored = store_.find(request_->model);
  if (!stored || stored->manifest_digest != request_->manifest) {
    log_info("fetch.manifest", {{"model", request_->model_name}});
    machine_.fetch_manifest(request_->model, request_->holders, now);
    return;
  }
  auto items = store_.missing(request_->model, request_->first_layer, request_->last_layer);
  if (!items.ok()) return fail(std::move(items).error(), now);
  if (header_only_ && stored->model) {
    request_.reset();
    return;
  }
  const auto found =
      store_.unchecked(request_->model, request_->first_layer, request_->last_layer);
  if (!found.empty()) return check_again(found.front(), found.size(), now);
  if (!items->empty()) {
    log_info("fetch.items", {{"model", request_->model_name}, {"items", items->size()}});
    machine_.fetch_items(request_->model, std::move(*items), now);
    return;
  }
  const mesh::LoadSlice& r = *request_;
  FittingAdapters fitting = fitting_adapters(adapters_, *stored->model, r.model_name);
  adapter_states_ = std::move(fitting.states);
  compute_.load({r.epoch, stored->model, stored->path, r.first_layer, r.last_layer, r.kv_tokens,
                 r.kv_type, r.rows_max, r.keep, std::move(fitting.adapters)});
}

// One item at a time, so that the worker's other tasks are not held up.
void Loader::check_again(uint32_t item, size_t left, Time now) {
  log_debug("store.check", {{"model", request_->model_name}, {"item", item}, {"left", left}});
  const bool posted = worker_.post([this, item, left, model = request_->model,
                                    number = request_number_] {
    auto checked = std::make_shared<Result<bool>>(store_.verify(model, item));
    post_([this, checked, left, number](Time then) {
      if (!request_ || request_number_ != number) return;
      if (!checked->ok()) return fail(Error(checked->error()), then);
      // Progress that rises tells the coordinator that this stage is alive.
      if (!header_only_) {
        machine_.on_load_progress(request_->epoch, kCheckShare / float(left), then);
      }
      advance(then);
    });
  });
  if (!posted) fail(Error(ErrorCode::kExhausted, "the worker's queue is full"), now);
}

void Loader::fail(Error error, Time now) {
  log_error("load.failed", {{"model", request_->model_name}, {"error", error.message}});
  const Epoch epoch = request_->epoch;
  const bool header_only = header_only_;
  request_.reset();
  if (!header_only) machine_.on_slice_loaded(epoch, std::move(error), now);
}

void Loader::on(const mesh::VerifyManifest& effect) {
  if (!request_) return;
  const bool posted = worker_.post([this, manifest = effect.manifest,
                                    expected = request_->manifest, name = request_->model_name] {
    const auto begun = store_.begin(manifest, expected, name);
    if (!begun.ok()) log_warn("fetch.manifest", {{"error", begun.error().message}});
    post_([this, id = manifest.model, ok = begun.ok()](Time now) {
      machine_.on_manifest_verified(id, ok, now);
    });
  });
  if (!posted) log_warn("fetch.manifest", {{"error", "the worker's queue is full"}});
}

void Loader::on(const mesh::StoreChunk& effect) {
  const bool posted = worker_.post([this, effect] {
    const auto written = store_.write(effect.model, effect.offset, effect.data.view());
    if (!written.ok()) log_warn("fetch.write", {{"error", written.error().message}});
  });
  // A chunk that is not written makes its item fail verification, and then it is fetched again.
  if (!posted) log_warn("fetch.write", {{"error", "the worker's queue is full"}});
}

void Loader::on(const mesh::VerifyItem& effect) {
  const auto answer = [this, effect](bool ok) {
    post_([this, effect, ok](Time now) {
      machine_.on_item_verified(effect.model, effect.item, ok, now);
    });
  };
  const bool posted = worker_.post([this, effect, answer] {
    const auto verified = store_.verify(effect.model, effect.item);
    if (!verified.ok()) log_warn("fetch.verify", {{"error", verified.error().message}});
    answer(verified.ok() && *verified);
  });
  if (!posted) answer(false);
}

void Loader::on(const mesh::FetchProgress& effect, Time now) {
  if (!request_ || header_only_ || effect.total_bytes == 0) return;
  const double done = double(effect.done_bytes) / double(effect.total_bytes);
  machine_.on_load_progress(request_->epoch, kFetchShare * float(done), now);
}

void Loader::on(const mesh::FetchEnded& effect, Time now) {
  if (!request_ || effect.model != request_->model) return;
  if (!effect.result.ok()) return fail(Error(effect.result.error()), now);
  advance(now);
}

void Loader::on(const SliceProgress& progress, Time now) {
  machine_.on_load_progress(progress.epoch, kFetchShare + (1 - kFetchShare) * progress.progress,
                            now);
}

void Loader::on(const SliceLoaded& loaded, Time now) {
  if (!loaded.result.ok()) {
    log_error("load.failed", {{"error", loaded.result.error().message}});
  }
  if (request_ && !header_only_ && request_->epoch == loaded.epoch) request_.reset();
  machine_.on_slice_loaded(loaded.epoch, loaded.result, now);
}

}  // namespace weft::node
