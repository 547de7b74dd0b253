#include "node/command_quantize.h"

#include <cstdio>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "kernels/cpu/thread_pool.h"
#include "model/quantize_file.h"
#include "node/cli.h"
#include "node/model_path.h"
#include "node/progress.h"

namespace weft::node {
namespace {

namespace fs = std::filesystem;
// Of each thread: while one writes, pieces of unequal work even out.
constexpr uint32_t kPiecesPerThread = 2;

Result<> check_output(const QuantizeOptions& options) {
  std::error_code error;
  const auto status = fs::status(options.output, error);
  if (fs::is_directory(status)) {
    return Error(ErrorCode::kInvalid, cat(options.output, " is a folder; give a file's path"));
  }
  if (!fs::exists(status)) return {};
  if (fs::equivalent(options.input, options.output, error)) {
    return Error(ErrorCode::kInvalid,
                 cat(options.output, " is the file to read; give another path for the result"));
  }
  if (!options.force) {
    return Error(ErrorCode::kConflict,
                 cat(options.output, " is there already; give --force to replace it"));
  }
  return {};
}

std::string percent(double fraction) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f %%", 100 * fraction);
  return text;
}

void show_json(const QuantizeOptions& options, const model::QuantizeRecipe& recipe,
               const model::QuantizeSummary& summary, uint32_t threads, double seconds) {
  nlohmann::ordered_json types = nlohmann::ordered_json::array();
  for (const auto& [type, share] : summary.types) {
    types.push_back({{"type", std::string(model::tensor_type_info(type).name)},
                     {"tensors", share.tensors},
                     {"bytes", share.bytes}});
  }
  const nlohmann::ordered_json json = {{"input", options.input},
                                       {"output", options.output},
                                       {"type", std::string(recipe.name)},
                                       {"input_bytes", summary.input_bytes},
                                       {"output_bytes", summary.output_bytes},
                                       {"bits_per_weight", summary.bits_per_weight()},
                                       {"relative_error", summary.relative_error},
                                       {"quantization", std::move(types)},
                                       {"threads", threads},
                                       {"seconds", seconds}};
  using Handler = nlohmann::ordered_json::error_handler_t;
  std::printf("%s\n", json.dump(-1, ' ', false, Handler::replace).c_str());
}

void show_text(const QuantizeOptions& options, const model::QuantizeSummary& summary,
               double seconds) {
  std::string types;
  for (const auto& [type, share] : summary.types) {
    types += cat(types.empty() ? "" : ", ", share.tensors, " ", model::tensor_type_info(type).name);
  }
  std::fprintf(stderr,
               "%s: %s -> %s, %.2f bits per weight, rounding error %s, %.1f s\n  tensors: %s\n",
               options.output.c_str(), format_bytes(summary.input_bytes).c_str(),
               format_bytes(summary.output_bytes).c_str(), summary.bits_per_weight(),
               percent(summary.relative_error).c_str(), seconds, types.c_str());
}

}  // namespace

Result<> quantize_model(const QuantizeOptions& options) {
  WEFT_TRY(const model::QuantizeRecipe* recipe, model::find_quantize_recipe(options.type));
  WEFT_CHECK(check_output(options));
  const uint32_t threads = options.threads > 0 ? options.threads : kernels::usable_cores();
  WEFT_TRY(const auto pool, kernels::ThreadPool::create(threads));
  const SystemClock clock;
  const Time start = clock.now();
  model::QuantizeFileOptions work;
  work.input = options.input;
  work.output = options.output;
  work.recipe = recipe;
  work.pieces = kPiecesPerThread * threads;
  work.run = [&](uint32_t pieces, const std::function<void(uint32_t)>& body) {
    pool->parallel_for(pieces, body);
  };
  model::QuantizeSummary summary;
  {
    Progress progress(cat("quantizing ", model_name(options.input)), Progress::Unit::kBytes, clock);
    work.progress = [&](uint64_t done, uint64_t total) {
      progress.update(done, total);
      return !interrupted();
    };
    auto done = model::quantize_file(work);
    if (!done.ok()) {
      return std::move(done).within(cat("cannot quantize ", printable(options.input))).error();
    }
    summary = *std::move(done);
  }
  const double seconds = to_seconds(clock.now() - start);
  if (options.json) {
    show_json(options, *recipe, summary, threads, seconds);
  } else {
    show_text(options, summary, seconds);
  }
  return {};
}

}  // namespace weft::node
