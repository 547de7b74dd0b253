#include "node/trace.h"

#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstring>

#include "base/text.h"

namespace weft::node {
namespace {

constexpr Duration kWriteEvery = milliseconds(200);
constexpr int kMeshThread = 1, kComputeThread = 2, kOperations = 3;  // as the viewer numbers them

std::string_view kind_of(uint32_t rows) { return rows == 1 ? "decode" : "prefill"; }

const char* name_of(TraceEvent::What what) {
  switch (what) {
    case TraceEvent::What::kReceived: return "received";
    case TraceEvent::What::kQueued: return "queued";
    case TraceEvent::What::kCompute: return "compute";
    case TraceEvent::What::kSent: return "sent";
    case TraceEvent::What::kOperation: return "operation";
  }
  return "";
}

void write_name(std::FILE* file, const char* what, int thread, std::string_view name) {
  std::fprintf(file, "{\"name\":\"%s\",\"ph\":\"M\",\"pid\":%d,\"tid\":%d,\"args\":{\"name\":\"",
               what, int(getpid()), thread);
  for (const char c : printable(name, 100)) {
    if (c == '"' || c == '\\') std::fputc('\\', file);
    std::fputc(c, file);
  }
  std::fputs("\"}},\n", file);
}

}  // namespace

Result<std::unique_ptr<Trace>> Trace::open(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "we");
  if (!file) {
    return Error(ErrorCode::kIo, cat("cannot write the trace ", path, ": ", std::strerror(errno)));
  }
  return std::unique_ptr<Trace>(new Trace(file));
}

Trace::Trace(std::FILE* file) : file_(file) {
  std::fputs("[\n", file_);
  write_name(file_, "thread_name", kMeshThread, "mesh");
  write_name(file_, "thread_name", kComputeThread, "compute");
  write_name(file_, "thread_name", kOperations, "operations");
  waiting_.reserve(4096);
  writer_ = std::thread([this] { run(); });
}

Trace::~Trace() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ending_.notify_all();
  writer_.join();
  std::fprintf(file_, "{\"name\":\"dropped\",\"ph\":\"i\",\"s\":\"p\",\"pid\":%d,\"tid\":%d,"
                      "\"ts\":0,\"args\":{\"events\":%" PRIu64 "}}\n]\n",
               int(getpid()), kMeshThread, dropped_);
  std::fclose(file_);
}

void Trace::name_process(std::string_view name) {
  write_name(file_, "process_name", kMeshThread, name);
}

void Trace::add(const TraceEvent& event) {
  std::lock_guard lock(mutex_);
  if (waiting_.size() < kTraceWaitingMax) {
    waiting_.push_back(event);
  } else {
    ++dropped_;
  }
}

void Trace::add_operation(std::string_view name, Time begin, Time end) {
  {
    std::lock_guard lock(mutex_);
    if (operations_ >= kTraceOperationsMax) {
      ++dropped_;
      return;
    }
    ++operations_;
  }
  TraceEvent event;
  event.what = TraceEvent::What::kOperation;
  event.kind = name;
  event.begin = begin;
  event.end = end;
  add(event);
}

void Trace::add_message(TraceEvent::What what, const transport::Message& message, Time at) {
  TraceEvent event;
  event.what = what;
  event.begin = at;
  if (const auto* step = std::get_if<transport::Step>(&message)) {
    event.kind = kind_of(step->token_count);
    event.epoch = step->epoch;
    event.session = step->session;
    event.first_position = step->first_position;
    event.rows = step->token_count;
  } else if (const auto* token = std::get_if<transport::Token>(&message)) {
    event.kind = token->token >= 0 ? "token" : "progress";
    event.epoch = token->epoch;
    event.session = token->session;
    event.first_position = token->position;
  } else {
    return;
  }
  add(event);
}

void Trace::add_batch(TraceEvent::What what, uint64_t job, const mesh::BatchJob& batch, Time begin,
                      Time end) {
  for (const mesh::BatchSequence& sequence : batch.sequences) {
    TraceEvent event;
    event.what = what;
    event.kind = kind_of(sequence.row_count);
    event.begin = begin;
    event.end = end;
    event.epoch = batch.epoch;
    event.session = sequence.session;
    event.first_position = sequence.first_position;
    event.rows = sequence.row_count;
    event.job = job;
    event.batch_rows = batch.row_count;
    add(event);
  }
}

// Wakes by the clock alone: a wake-up per event would disturb what is traced.
void Trace::run() {
  std::vector<TraceEvent> taken;
  bool ending = false;
  while (!ending) {
    {
      std::unique_lock lock(mutex_);
      // A wall-clock wait: older sanitizer runtimes do not know the monotonic one.
      ending_.wait_until(lock, std::chrono::system_clock::now() + kWriteEvery,
                         [this] { return stopping_; });
      ending = stopping_;
      taken.swap(waiting_);
    }
    uint64_t beyond = 0;
    for (const TraceEvent& event : taken) {
      if (written_ < kTraceEventsMax) {
        write(event);
        ++written_;
      } else {
        ++beyond;
      }
    }
    taken.clear();
    std::fflush(file_);
    std::lock_guard lock(mutex_);
    dropped_ += beyond;
  }
}

void Trace::write(const TraceEvent& event) {
  const bool operation = event.what == TraceEvent::What::kOperation;
  const bool span = operation || event.what == TraceEvent::What::kCompute;
  const int thread = operation ? kOperations : span ? kComputeThread : kMeshThread;
  std::fprintf(file_, "{\"name\":\"%.*s\",\"cat\":\"%s\",\"ph\":\"%s\",\"pid\":%d,\"tid\":%d,"
                      "\"ts\":%.3f,",
               int(event.kind.size()), event.kind.data(), name_of(event.what), span ? "X" : "i",
               int(getpid()), thread, double(event.begin.ns) / 1000);
  if (span) {
    std::fprintf(file_, "\"dur\":%.3f,", to_milliseconds(event.end - event.begin) * 1000);
  } else {
    std::fputs("\"s\":\"t\",", file_);
  }
  if (operation) {
    std::fputs("\"args\":{}},\n", file_);
    return;
  }
  std::fprintf(file_, "\"args\":{\"epoch\":%" PRIu64 ",\"session\":\"%016" PRIx64
                      "\",\"first\":%u,\"rows\":%u,\"job\":%" PRIu64 ",\"batch_rows\":%u}},\n",
               event.epoch.value, event.session.value, event.first_position, event.rows, event.job,
               event.batch_rows);
}

}  // namespace weft::node
