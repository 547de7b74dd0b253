#include "node/command_bench.h"

#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/text.h"
#include "kernels/bandwidth.h"
#include "kernels/cpu/thread_pool.h"
#include "node/cli.h"
#include "node/model_path.h"
#include "node/node.h"
#include "node/progress.h"

namespace weft::node {
namespace {

using Json = nlohmann::ordered_json;

constexpr SessionId kSession{1};
constexpr uint32_t kRowsMax = 512;

// Ids spread over the vocabulary; what they mean does not change the work.
TokenId some_token(uint32_t position, uint32_t vocab_size) {
  return TokenId((uint64_t{position} * 7919 + 13) % vocab_size);
}

// Computes rows [first, first + count); seconds it took.
Result<double> time_rows(kernels::Slice& slice, const model::ModelConfig& config, uint32_t first,
                         uint32_t count) {
  const SystemClock clock;
  const Time start = clock.now();
  for (uint32_t done = 0; done < count;) {
    if (interrupted()) return Error(ErrorCode::kCancelled, "interrupted");
    const uint32_t rows = std::min(kRowsMax, count - done);
    kernels::SliceBatch batch;
    batch.sequences = {{kSession, first + done, rows, done + rows == count ? 1u : 0u}};
    for (uint32_t i = 0; i < rows; ++i) {
      batch.tokens.push_back(some_token(first + done + i, config.vocab_size));
    }
    WEFT_CHECK(slice.forward(batch));
    done += rows;
  }
  return to_seconds(clock.now() - start);
}

Result<> measure(kernels::Slice& slice, const model::ModelConfig& config,
                 const BenchOptions& options, BenchFigures& figures) {
  const SystemClock clock;
  Progress progress("measuring", Progress::Unit::kPercent, clock);
  const uint32_t steps = options.repeat * (options.new_tokens + 1);
  uint32_t step = 0;
  std::vector<double> prefill, decode;
  WEFT_CHECK(time_rows(slice, config, 0, 1));  // touches every page once
  for (uint32_t run = 0; run < options.repeat; ++run) {
    WEFT_TRY(const double prefill_s, time_rows(slice, config, 0, options.prompt_tokens));
    progress.update(++step, steps);
    double decode_s = 0;
    for (uint32_t i = 0; i < options.new_tokens; ++i) {
      WEFT_TRY(const double token_s, time_rows(slice, config, options.prompt_tokens + i, 1));
      decode_s += token_s;
      progress.update(++step, steps);
    }
    prefill.push_back(options.prompt_tokens / std::max(prefill_s, 1e-9));
    decode.push_back(options.new_tokens / std::max(decode_s, 1e-9));
  }
  figures.prefill_tps = median(prefill);
  figures.decode_tps = median(decode);
  return {};
}

void print_figures(const BenchOptions& options, const BenchFigures& figures, uint32_t threads,
                   const kernels::Backend& backend) {
  if (options.json) {
    const Json json = {{"model", model_name(options.model_path)},
                       {"backend", backend.name()},
                       {"detail", backend.detail()},
                       {"threads", threads},
                       {"prompt_tokens", options.prompt_tokens},
                       {"new_tokens", options.new_tokens},
                       {"repeat", options.repeat},
                       {"prefill_tps", figures.prefill_tps},
                       {"decode_tps", figures.decode_tps},
                       {"read_gbps", figures.read_gbps},
                       {"weight_bytes", figures.weight_bytes},
                       {"roofline_fraction", figures.roofline_fraction()},
                       {"load_s", figures.load_s}};
    std::printf("%s\n", json.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
    return;
  }
  const std::string detail(backend.detail());
  std::printf("%s on %s (%s), median of %u\n", model_name(options.model_path).c_str(),
              std::string(backend.name()).c_str(), detail.c_str(), options.repeat);
  std::printf("load             %10.2f s\n", figures.load_s);
  std::printf("prefill %6u   %10.1f tokens/s\n", options.prompt_tokens, figures.prefill_tps);
  std::printf("decode  %6u   %10.1f tokens/s\n", options.new_tokens, figures.decode_tps);
  std::printf("weights read     %10s per token\n", format_bytes(figures.weight_bytes).c_str());
  std::printf("memory reads     %10.1f GB/s\n", figures.read_gbps);
  std::printf("of the roofline  %10.0f %%\n", 100 * figures.roofline_fraction());
}

}  // namespace

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

uint64_t weight_bytes_per_token(const model::Model& model) {
  uint64_t bytes = 0;
  for (const model::GgufTensor* tensor : model.slice_tensors(0, model.config().layer_count)) {
    const bool only_looked_up =
        tensor == &model.token_embedding() && &model.output() != &model.token_embedding();
    if (!only_looked_up) bytes += tensor->bytes;
  }
  return bytes;
}

Result<> bench_model(const BenchOptions& options) {
  if (options.prompt_tokens == 0 || options.new_tokens == 0 || options.repeat == 0) {
    return Error(ErrorCode::kInvalid, "-p, -n and --repeat must be at least 1");
  }
  const SystemClock clock;
  BenchFigures figures;
  const Time start = clock.now();
  WEFT_TRY(const auto backend, make_backend(options.backend, options.threads));
  WEFT_TRY(const model::Model model, model::Model::open(options.model_path));
  const model::ModelConfig& config = model.config();
  const uint64_t needed = uint64_t{options.prompt_tokens} + options.new_tokens;
  if (needed > config.context_length) {
    return Error(ErrorCode::kInvalid, cat("-p and -n need a context of ", needed,
                                          " tokens, the model has ", config.context_length));
  }
  kernels::SliceOptions slice_options;
  slice_options.last_layer = config.layer_count;
  slice_options.kv_tokens = uint32_t(needed);
  slice_options.rows_max = std::min(kRowsMax, options.prompt_tokens);
  std::unique_ptr<kernels::Slice> slice;
  {
    Progress progress(cat("loading ", model_name(options.model_path)), Progress::Unit::kBytes,
                      clock);
    WEFT_TRY(slice, kernels::Slice::load(*backend, model, slice_options,
                                         [&](uint64_t done, uint64_t total) {
                                           progress.update(done, total);
                                           return !interrupted();
                                         }));
  }
  figures.load_s = to_seconds(clock.now() - start);
  figures.weight_bytes = weight_bytes_per_token(model);
  // Before and after: a machine that is busy for a moment must not make the bound look low.
  const bool reference = backend->name() == "reference";
  const uint32_t threads =
      reference ? 1 : (options.threads ? options.threads : kernels::usable_cores());
  WEFT_TRY(const double before, kernels::measure_read_bandwidth(threads));
  WEFT_CHECK(measure(*slice, config, options, figures));
  WEFT_TRY(const double after, kernels::measure_read_bandwidth(threads));
  figures.read_gbps = std::max(before, after);
  print_figures(options, figures, threads, *backend);
  return {};
}

}  // namespace weft::node
