#include "node/command_synth.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "base/text.h"
#include "node/cli.h"
#include "node/model_path.h"
#include "node/progress.h"

namespace weft::node {

Result<> make_synthetic(const model::SynthOptions& options, bool force) {
  std::error_code error;
  const auto status = std::filesystem::status(options.path, error);
  if (std::filesystem::is_directory(status)) {
    return Error(ErrorCode::kInvalid, cat(options.path, " is a folder; give a file's path"));
  }
  if (std::filesystem::exists(status) && !force) {
    return Error(ErrorCode::kConflict,
                 cat(options.path, " is there already; give --force to replace it"));
  }
  const SystemClock clock;
  Progress progress(cat("writing ", model_name(options.path)), Progress::Unit::kBytes, clock);
  WEFT_CHECK(model::write_synthetic(options, [&](uint64_t done, uint64_t total) {
    progress.update(done, total);
    if (!interrupted()) return;
    // The writer cannot be asked to stop; what it has begun is beside the file, never the file.
    ::unlink((options.path + ".part").c_str());
    ::_exit(130);
  }));
  const uint64_t bytes = std::filesystem::file_size(options.path, error);
  std::fprintf(stderr, "%s: %s %s, %s\n", options.path.c_str(), options.shape.c_str(),
               options.quant.c_str(), format_bytes(bytes).c_str());
  return {};
}

}  // namespace weft::node
