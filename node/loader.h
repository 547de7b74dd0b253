// Loader: makes a plan's slice ready on this node. If the model's file is here it is loaded; if
// not, its manifest, its header and just the tensors the slice reads are fetched from peers,
// verified, kept, and then loaded. What an earlier run fetched is verified again first.
//
// Mesh thread. File work goes to the worker, which reports back through `post`.
#pragma once

#include <functional>
#include <optional>

#include "mesh/effects.h"
#include "mesh/machine.h"
#include "node/adapters.h"
#include "node/model_store.h"
#include "node/slice_compute.h"
#include "node/worker.h"

namespace weft::node {

class Loader {
 public:
  // post(task) runs a task on the mesh thread. All are outlived by their owner, the node.
  using Post = std::function<void(std::function<void(Time)>)>;
  Loader(mesh::Machine& machine, ModelStore& store, SliceCompute& compute, Worker& worker,
         Post post, AdapterFiles adapters = {})
      : machine_(machine), store_(store), compute_(compute), worker_(worker),
        post_(std::move(post)), adapters_(std::move(adapters)) {}

  void load(const mesh::LoadSlice& request, Time now);
  void drop(Epoch before);
  // Fetches only the vocabulary and the table of a model, so that this node can be a head for it.
  void want_header(ModelId model, Digest manifest, const std::string& name,
                   std::vector<NodeId> holders, Time now);
  bool idle() const { return !request_; }
  // What became of the adapters at the last load; none before the first.
  const std::vector<AdapterState>& adapters() const { return adapter_states_; }

  // Effects of the machine's fetcher.
  void on(const mesh::VerifyManifest& effect);
  void on(const mesh::StoreChunk& effect);
  void on(const mesh::VerifyItem& effect);
  void on(const mesh::FetchProgress& effect, Time now);
  void on(const mesh::FetchEnded& effect, Time now);
  // What the compute thread reports.
  void on(const SliceProgress& progress, Time now);
  void on(const SliceLoaded& loaded, Time now);

 private:
  void advance(Time now);
  void check_again(uint32_t item, size_t left, Time now);
  void fail(Error error, Time now);

  mesh::Machine& machine_;
  ModelStore& store_;
  SliceCompute& compute_;
  Worker& worker_;
  Post post_;
  const AdapterFiles adapters_;
  std::vector<AdapterState> adapter_states_;
  std::optional<mesh::LoadSlice> request_;
  bool header_only_ = false;
  uint64_t request_number_ = 0;  // what the worker finds out for an older request is not acted on
};

}  // namespace weft::node
