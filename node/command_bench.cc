#include "node/command_bench.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/text.h"
#include "kernels/bandwidth.h"
#include "kernels/cpu/repack.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/vulkan/backend.h"
#include "kernels/vulkan/copy_bandwidth.h"
#include "kernels/vulkan/matrix_rate.h"
#include "kernels/weights.h"
#include "node/adapters.h"
#include "node/cli.h"
#include "node/model_path.h"
#include "node/node.h"
#include "node/progress.h"
#include "node/trace.h"

namespace weft::node {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint32_t kRowsMax = 512;

// Ids spread over the vocabulary; what they mean does not change the work.
TokenId some_token(uint32_t position, uint32_t vocab_size) {
  return TokenId((uint64_t{position} * 7919 + 13) % vocab_size);
}

// Rows give what a greedy stream takes, the best logit alone.
// Computes rows [first, first + count) of a session; seconds it took.
Result<double> time_prefill(kernels::Slice& slice, const model::ModelConfig& config,
                            SessionId session, uint32_t count) {
  const SystemClock clock;
  const Time start = clock.now();
  for (uint32_t done = 0; done < count;) {
    if (interrupted()) return Error(ErrorCode::kCancelled, "interrupted");
    const uint32_t rows = std::min(kRowsMax, count - done);
    kernels::SliceBatch batch;
    batch.sequences = {{session, done, rows, done + rows == count ? 1u : 0u, 0, 1}};
    for (uint32_t i = 0; i < rows; ++i) {
      batch.tokens.push_back(some_token(done + i, config.vocab_size));
    }
    WEFT_CHECK(slice.forward(batch));
    done += rows;
  }
  return to_seconds(clock.now() - start);
}

// One step of all sessions at `position`; seconds it took.
Result<double> time_step(kernels::Slice& slice, const model::ModelConfig& config, uint32_t sessions,
                         uint32_t position) {
  if (interrupted()) return Error(ErrorCode::kCancelled, "interrupted");
  kernels::SliceBatch batch;
  for (uint32_t s = 0; s < sessions; ++s) {
    batch.sequences.push_back({SessionId{s + 1}, position, 1, 1, 0, 1});
    batch.tokens.push_back(some_token(position + s, config.vocab_size));
  }
  const SystemClock clock;
  const Time start = clock.now();
  WEFT_CHECK(slice.forward(batch));
  return to_seconds(clock.now() - start);
}

Result<BenchPoint> measure_point(kernels::Slice& slice, const model::ModelConfig& config,
                                 const BenchOptions& options, uint32_t prompt_tokens,
                                 uint32_t sessions, const std::function<void()>& progress) {
  std::vector<double> prefill, decode;
  for (uint32_t run = 0; run < options.repeat; ++run) {
    double prefill_s = 0;
    for (uint32_t s = 0; s < sessions; ++s) {
      WEFT_TRY(const double session_s,
               time_prefill(slice, config, SessionId{s + 1}, prompt_tokens));
      prefill_s += session_s;
    }
    double decode_s = 0;
    for (uint32_t i = 0; i < options.new_tokens; ++i) {
      WEFT_TRY(const double step_s, time_step(slice, config, sessions, prompt_tokens + i));
      decode_s += step_s;
    }
    prefill.push_back(sessions * prompt_tokens / std::max(prefill_s, 1e-9));
    decode.push_back(sessions * options.new_tokens / std::max(decode_s, 1e-9));
    progress();
  }
  for (uint32_t s = 0; s < sessions; ++s) slice.release(SessionId{s + 1});
  return BenchPoint{prompt_tokens, sessions, median(prefill), median(decode)};
}

Result<> measure(kernels::Slice& slice, const model::ModelConfig& config,
                 const BenchOptions& options, BenchFigures& figures) {
  const SystemClock clock;
  Progress progress("measuring", Progress::Unit::kPercent, clock);
  const size_t runs = options.prompt_tokens.size() * options.sessions.size() * options.repeat;
  size_t run = 0;
  WEFT_CHECK(time_step(slice, config, 1, 0));  // touches every page once
  for (const uint32_t prompt_tokens : options.prompt_tokens) {
    for (const uint32_t sessions : options.sessions) {
      WEFT_TRY(const BenchPoint point,
               measure_point(slice, config, options, prompt_tokens, sessions,
                             [&] { progress.update(++run, runs); }));
      figures.points.push_back(point);
    }
  }
  return {};
}

// The most memory this process ever had, of the kernel's own count ("VmHWM:  1234 kB").
uint64_t peak_resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    uint64_t kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib * 1024;
  }
  return 0;
}

void print_json(const BenchOptions& options, const BenchFigures& figures, uint32_t threads,
                const kernels::Backend& backend) {
  const BenchPoint& first = figures.points[0];
  Json json = {{"model", model_name(options.model_path)},
               {"backend", backend.name()},
               {"detail", backend.detail()},
               {"threads", threads},
               {"kv", options.kv},
               {"prompt_tokens", first.prompt_tokens},
               {"sessions", first.sessions},
               {"new_tokens", options.new_tokens},
               {"repeat", options.repeat},
               {"prefill_tps", first.prefill_tps},
               {"decode_tps", first.decode_tps},
               {"read_gbps", figures.read_gbps},
               {"weight_bytes", figures.weight_bytes},
               {"resident_bytes", figures.resident_bytes},
               {"roofline_fraction", figures.roofline_fraction()},
               {"load_s", figures.load_s},
               {"points", Json::array()}};
  if (figures.device) json["device"] = vulkan_device_json(*figures.device);
  if (figures.device) json["layer_parameters"] = figures.layer_parameters;
  if (figures.copy_gbps > 0) json["copy_gbps"] = figures.copy_gbps;
  if (figures.half_tflops > 0) json["half_tflops"] = figures.half_tflops;
  if (figures.byte_tops > 0) json["byte_tops"] = figures.byte_tops;
  if (!figures.rates_absent.empty()) json["rates_absent"] = figures.rates_absent;
  for (const BenchPoint& point : figures.points) {
    json["points"].push_back({{"prompt_tokens", point.prompt_tokens},
                              {"sessions", point.sessions},
                              {"prefill_tps", point.prefill_tps},
                              {"decode_tps", point.decode_tps}});
  }
  std::printf("%s\n", json.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
}

void print_text(const BenchOptions& options, const BenchFigures& figures,
                const kernels::Backend& backend) {
  const std::string detail(backend.detail());
  std::printf("%s on %s (%s), median of %u\n", model_name(options.model_path).c_str(),
              std::string(backend.name()).c_str(), detail.c_str(), options.repeat);
  std::printf("load             %10.2f s, %s at most\n", figures.load_s,
              format_bytes(figures.resident_bytes).c_str());
  std::printf("weights read     %10s per step\n", format_bytes(figures.weight_bytes).c_str());
  if (figures.copy_gbps > 0) {
    std::printf("a copy there     %10.1f GB/s, read and written\n", figures.copy_gbps);
  } else {
    std::printf("memory reads     %10.1f GB/s\n", figures.read_gbps);
  }
  std::printf("of the roofline  %10.0f %%\n", 100 * figures.roofline_fraction());
  if (figures.half_tflops > 0) {
    std::printf("its half matrices%10.2f TFLOP/s\n", figures.half_tflops);
  }
  if (figures.byte_tops > 0) std::printf("its byte matrices%10.2f TOP/s\n", figures.byte_tops);
  if (!figures.rates_absent.empty()) {
    std::printf("its matrices     not measured: %s\n", figures.rates_absent.c_str());
  }
  std::printf("\n");
  std::printf("%8s %9s %17s %17s\n", "prompt", "sessions", "prefill tokens/s", "decode tokens/s");
  for (const BenchPoint& point : figures.points) {
    std::printf("%8u %9u %17.1f %17.1f\n", point.prompt_tokens, point.sessions, point.prefill_tps,
                point.decode_tps);
  }
}

// Keeps what was measured; an Error other than that the device has no such thing is the caller's.
Result<> keep_measured(const Result<double>& measured, double& to, std::string* why_not = nullptr) {
  if (measured.ok()) {
    to = *measured;
  } else if (measured.error().code != ErrorCode::kUnsupported) {
    return measured.error();
  } else if (why_not) {
    *why_not = measured.error().message;
  }
  return {};
}

// What a Vulkan device is, and what its memory and its matrices do. The model must not take its
// room any more.
Result<> measure_device(const kernels::Backend& backend, BenchFigures& figures) {
  const auto* vulkan = dynamic_cast<const kernels::VulkanBackend*>(&backend);
  if (!vulkan) return {};
  kernels::VulkanDevice& device = vulkan->device();
  figures.device = device.info();
  WEFT_CHECK(keep_measured(kernels::measure_copy_bandwidth(device), figures.copy_gbps));
  WEFT_CHECK(keep_measured(kernels::measure_matrix_rate(device, kernels::MatrixFactors::kBytes),
                           figures.byte_tops, &figures.rates_absent));
  return keep_measured(kernels::measure_matrix_rate(device, kernels::MatrixFactors::kHalves),
                       figures.half_tflops, &figures.rates_absent);
}

// The largest of the contexts and numbers of sessions asked for, checked against the model.
Result<kernels::SliceOptions> slice_options_of(const BenchOptions& options,
                                               const model::ModelConfig& config) {
  if (options.new_tokens == 0 || options.repeat == 0 || options.prompt_tokens.empty() ||
      options.sessions.empty() ||
      options.prompt_tokens.size() * options.sessions.size() > kBenchPointsMax) {
    return Error(ErrorCode::kInvalid,
                 cat("-n and --repeat must be at least 1, and -p times --sessions 1 to ",
                     kBenchPointsMax, " points"));
  }
  uint32_t prompt_most = 0, sessions_most = 0;
  for (const uint32_t prompt : options.prompt_tokens) {
    const uint64_t needed = uint64_t{prompt} + options.new_tokens;
    if (prompt == 0 || needed > config.context_length) {
      return Error(ErrorCode::kInvalid, cat("-p and -n need a context of ", needed,
                                            " tokens, the model has ", config.context_length));
    }
    prompt_most = std::max(prompt_most, prompt);
  }
  for (const uint32_t sessions : options.sessions) {
    if (sessions == 0 || sessions > kBenchSessionsMax) {
      return Error(ErrorCode::kInvalid, cat("--sessions is 1 to ", kBenchSessionsMax));
    }
    sessions_most = std::max(sessions_most, sessions);
  }
  // The most tokens of a session are within the context, so below 2^32.
  const uint64_t kv_tokens = uint64_t{kernels::kv_pages_for(prompt_most + options.new_tokens)} *
                             kernels::kPageTokens * sessions_most;
  if (kv_tokens > UINT32_MAX) {
    return Error(ErrorCode::kInvalid, "so many tokens fit no KV cache; ask for fewer sessions");
  }
  kernels::SliceOptions slice_options;
  slice_options.last_layer = config.layer_count;
  slice_options.kv_tokens = uint32_t(kv_tokens);
  slice_options.rows_max = std::max(std::min(kRowsMax, prompt_most), sessions_most);
  slice_options.window_streams = sessions_most;
  WEFT_TRY(slice_options.kv_type, parse_kv_type(options.kv));
  return slice_options;
}

}  // namespace

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

uint64_t weight_bytes_per_token(const model::Model& model) {
  uint64_t bytes = 0;
  kernels::SliceWeights places;
  for (const kernels::SliceTensor& entry :
       kernels::list_slice_tensors(model, 0, model.config().layer_count, places)) {
    const bool only_looked_up =
        entry.use == kernels::WeightUse::kLookup && entry.tensor->dims.size() > 1;
    if (!only_looked_up) bytes += kernels::kept_bytes(*entry.tensor, entry.use);
  }
  for (uint32_t layer = 0; layer < model.config().layer_count; ++layer) {
    bytes -= kernels::idle_weights(model, layer).bytes;
  }
  return bytes;
}

uint64_t layer_parameters_per_token(const model::Model& model) {
  uint64_t parameters = 0;
  kernels::SliceWeights places;
  for (const kernels::SliceTensor& entry :
       kernels::list_slice_tensors(model, 0, model.config().layer_count, places)) {
    const bool in_layers = entry.tensor != &model.output() &&
                           entry.tensor != &model.token_embedding();
    if (in_layers && entry.use == kernels::WeightUse::kMatmul) parameters += entry.tensor->elements;
  }
  for (uint32_t layer = 0; layer < model.config().layer_count; ++layer) {
    parameters -= kernels::idle_weights(model, layer).parameters;
  }
  return parameters;
}

Result<> bench_model(const BenchOptions& options) {
  const SystemClock clock;
  BenchFigures figures;
  const Time start = clock.now();
  WEFT_TRY(auto backend, make_backend(options.backend));
  std::unique_ptr<Trace> trace;
  if (!options.trace.empty()) {
    WEFT_TRY(trace, Trace::open(options.trace));
  }
  WEFT_TRY(const model::Model model, model::Model::open(options.model_path));
  const model::ModelConfig& config = model.config();
  WEFT_TRY(kernels::SliceOptions slice_options, slice_options_of(options, config));
  WEFT_TRY(slice_options.adapters, adapters_for(options.lora, model));
  std::unique_ptr<kernels::Slice> slice;
  {
    Progress progress(cat("loading ", model_name(options.model_path)), Progress::Unit::kBytes,
                      clock);
    WEFT_CHECK(load_with(backend, options.backend, [&](kernels::Backend& on) -> Result<> {
      WEFT_TRY(slice, kernels::Slice::load(on, model, slice_options,
                                           [&](uint64_t done, uint64_t total) {
                                             progress.update(done, total);
                                             return !interrupted();
                                           }));
      return {};
    }));
  }
  if (trace) {
    backend->observe([&trace](std::string_view name, Time begin, Time end) {
      trace->add_operation(name, begin, end);
    });
  }
  figures.load_s = to_seconds(clock.now() - start);
  figures.resident_bytes = peak_resident_bytes();
  const auto pairs = kernels::list_slice_pairs(slice_options.adapters, 0, config.layer_count);
  figures.weight_bytes =
      weight_bytes_per_token(model) + kernels::adapter_bytes(pairs, backend->name());
  figures.layer_parameters = layer_parameters_per_token(model);
  // Before and after: a machine that is busy for a moment must not make the bound look low.
  const bool reference = backend->name() == "reference";
  const uint32_t threads =
      reference ? 1 : (options.backend.threads ? options.backend.threads : kernels::usable_cores());
  WEFT_TRY(const double before, kernels::measure_read_bandwidth(threads));
  WEFT_CHECK(measure(*slice, config, options, figures));
  WEFT_TRY(const double after, kernels::measure_read_bandwidth(threads));
  figures.read_gbps = std::max(before, after);
  slice.reset();
  WEFT_CHECK(measure_device(*backend, figures));
  if (options.json) {
    print_json(options, figures, threads, *backend);
  } else {
    print_text(options, figures, *backend);
  }
  return {};
}

}  // namespace weft::node
