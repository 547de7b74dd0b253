// Trace: where the time of a step goes on this node, as Chrome trace events (`weft up --trace`).
//
// Each operation of a backend leaves a span on a line of its own: of a GPU, by its own clock.
// Each run of rows leaves four events: `received` and `queued` (handed to the compute thread) on
// the mesh's line, a span on the compute thread's, and `sent` on the mesh's. Times are the
// system's monotonic clock in microseconds, so the traces of nodes on one machine can be laid side
// by side: joined files open in chrome://tracing or Perfetto, one process per node.
//
// Bounded: at most kTraceEventsMax events in a file and kTraceWaitingMax on their way to it; beyond
// either the newest are dropped, and the file's last event says how many. A file that was cut off
// lacks its closing bracket, which the viewers accept.
// Source: the Trace Event Format of the Chromium project.
#pragma once

#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"
#include "mesh/compute.h"
#include "transport/message.h"

namespace weft::node {

inline constexpr size_t kTraceEventsMax = 2'000'000;  // in one file: about 300 MB
inline constexpr size_t kTraceOperationsMax = 1'000'000;  // of those
inline constexpr size_t kTraceWaitingMax = 65'536;

struct TraceEvent {
  enum class What { kReceived, kQueued, kCompute, kSent, kOperation };
  What what = What::kReceived;
  // "decode", "prefill"; of messages home: "token", "progress"; of operations their name.
  std::string_view kind;
  Time begin;
  Time end;  // of kCompute and kOperation
  Epoch epoch;
  SessionId session;
  uint32_t first_position = 0;
  uint32_t rows = 0;
  uint64_t job = 0;         // of kQueued and kCompute: the batch
  uint32_t batch_rows = 0;  // of kCompute: all rows that ran together
};

class Trace {
 public:
  // Replaces the file. kIo names it.
  static Result<std::unique_ptr<Trace>> open(const std::string& path);
  // Writes what waits and closes the file.
  ~Trace();
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  // The process's name in the viewer. Before any event.
  void name_process(std::string_view name);

  // Any thread; never waits for the disk.
  void add(const TraceEvent& event);
  // What of a message is worth an event: Step and Token; nothing for the others.
  void add_message(TraceEvent::What what, const transport::Message& message, Time at);
  // One of a backend's; the name is never freed. Beyond kTraceOperationsMax they are dropped.
  void add_operation(std::string_view name, Time begin, Time end);
  // One event per run of rows, which all have the batch's times.
  void add_batch(TraceEvent::What what, uint64_t job, const mesh::BatchJob& batch, Time begin,
                 Time end);

 private:
  explicit Trace(std::FILE* file);
  void run();
  void write(const TraceEvent& event);

  std::FILE* file_;
  size_t written_ = 0;  // writer thread
  std::mutex mutex_;    // guards what follows
  std::condition_variable ending_;
  std::vector<TraceEvent> waiting_;
  uint64_t dropped_ = 0;
  size_t operations_ = 0;
  bool stopping_ = false;
  std::thread writer_;  // last
};

}  // namespace weft::node
