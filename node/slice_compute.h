// SliceCompute: the real side of mesh/compute.h. One thread owns the backend and the slices: that
// which serves and, around a change of plan, the next or the last one. Commands come in through a
// bounded queue and are carried out in order, results go out through calls. While a slice loads,
// the batches of the one that is kept run between one tensor and the next.
//
// A backend that fails (a GPU that is lost, or has too little memory for what it was given) is
// replaced by the fallback, once, and every slice is loaded again on that. What the lost one had of
// the streams is gone: their next rows are answered kUnavailable, and their heads start them again.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <variant>

#include "base/file.h"
#include "base/queue.h"
#include "kernels/split_slice.h"
#include "mesh/compute.h"
#include "model/model.h"
#include "node/constraints.h"
#include "node/poolings.h"
#include "node/trace.h"

namespace weft::node {

struct LoadRequest {
  Epoch epoch;
  std::shared_ptr<const model::Model> model;
  std::string model_path;  // for messages
  uint32_t first_layer = 0;
  uint32_t last_layer = 0;
  uint32_t kv_tokens = 0;
  KvType kv_type = KvType::kF16;
  uint32_t rows_max = 0;
  Epoch keep;  // its slice stays and serves on; all others are freed first
  model::Adapters adapters = {};
};

// What the thread reports.
struct SliceProgress {
  Epoch epoch;
  float progress = 0;
};
struct SliceLoaded {
  Epoch epoch;
  Result<> result;
  uint64_t memory_bytes = 0;
};
struct BatchDone {
  uint64_t job = 0;
  Result<mesh::BatchOutput> output;
};
struct SessionReleased {
  Epoch epoch;
  uint32_t kv_free_tokens = 0;  // of the epoch's slice, afterwards
};

// What computes: a backend, or a GPU with memory of its own and the processor beside it, which
// takes the layers that the GPU has no room for.
struct ComputeBackends {
  std::unique_ptr<kernels::Backend> device;
  std::unique_ptr<kernels::Backend> processor = nullptr;
  uint64_t device_bytes = UINT64_MAX;  // if there is a processor: for all slices together
};

// What the thread calls; none may wait for the SliceCompute.
struct ComputeCalls {
  std::function<void(SliceProgress)> progress;
  std::function<void(SliceLoaded)> loaded;
  std::function<void(BatchDone)> done;
  std::function<void(SessionReleased)> released;
  // Passes the time while there is no command: returns when `commands` is readable, or sooner. May
  // give commands. True: a batch is announced.
  std::function<bool(int commands)> rest;
  // Makes the backend that takes over if the first one fails; empty: none does.
  std::function<Result<std::unique_ptr<kernels::Backend>>()> fallback = {};
  // It has taken over, and nothing waits to be computed.
  std::function<void(kernels::Backend& backend)> changed = {};
  // The job's results are about kernels::kNearlyDone away; where the backend can tell.
  std::function<void(uint64_t job)> nearly_done = {};
};

class SliceCompute {
 public:
  // `trace` may be null; it outlives this object.
  SliceCompute(ComputeBackends backends, ComputeCalls calls, Trace* trace = nullptr);
  // Ends after the command that runs; a load is cancelled.
  ~SliceCompute();

  // All of these: any thread, never wait. Loads: the newest wins, an older one is cancelled.
  void load(LoadRequest request);
  void drop(Epoch before);
  // False if the queue is full; nothing will be reported then.
  bool submit(uint64_t job, mesh::BatchJob batch);
  void release(Epoch epoch, SessionId session);

 private:
  struct Drop {
    Epoch before;
  };
  struct Submit {
    uint64_t job;
    mesh::BatchJob batch;
  };
  struct Release {
    Epoch epoch;
    SessionId session;
  };
  using Command = std::variant<LoadRequest, Drop, Submit, Release>;

  struct Loaded {
    LoadRequest request;  // its model outlives the slice
    std::unique_ptr<kernels::Slice> slice;
    uint64_t device_bytes = 0;
    Constraints constraints;
    Poolings poolings;
  };

  void run();
  bool push(Command command);  // false if the queue is full
  // Carries out what waits, but for a load and what comes after it.
  void serve_while_loading();
  Loaded* loaded(Epoch epoch);  // null: none
  void carry_out(LoadRequest& request);
  Result<kernels::PlacedSlice> load_and_serve(const LoadRequest& request);
  Result<kernels::PlacedSlice> load_slice(
      const LoadRequest& request, const std::function<bool(uint64_t, uint64_t)>& progress);
  // The backend gave this error: true if another has taken over, with the slices that there were.
  bool fall_back(const Error& error);
  void trace_operations();
  void carry_out(Drop& drop);
  void carry_out(Submit& submit);
  void carry_out(Release& release);
  Result<mesh::BatchOutput> run_batch(const mesh::BatchJob& batch);
  // What the last stage makes of a sequence's rows.
  //   scores      of the last row, if a token is to be drawn
  //   embeddings  [Poolings::rows_wanted, hidden_dim]
  static void finish_rows(Loaded& on, const mesh::BatchSequence& sequence,
                          const RowScores& scores, std::span<const float> embeddings,
                          mesh::SequenceOutput& out);
  // Runs some of the batch's sequences; their outputs go into place.
  Result<> forward(Loaded& on, const mesh::BatchJob& batch, const std::vector<size_t>& chosen,
                   std::vector<mesh::SequenceOutput>& outputs);

  ComputeBackends backends_;
  uint64_t running_job_ = 0;
  bool loading_ = false;
  bool fell_back_ = false;
  bool change_untold_ = false;
  const ComputeCalls calls_;
  Trace* const trace_;
  std::atomic<uint64_t> wanted_epoch_{0};
  std::atomic<bool> stopping_{false};
  BoundedQueue<Command> commands_;
  FileDescriptor woken_;            // readable after a push
  std::deque<Command> postponed_;  // taken from the queue during a load
  std::map<Epoch, Loaded> slices_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace weft::node
