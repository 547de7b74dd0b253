// boundary MODEL LAYER PROMPT: what a mesh sends between the stage that ends before LAYER and the
// next one: the hidden rows after layers [0, LAYER) for the prompt, as raw float32 on stdout. The
// end-to-end test looks for them in a capture of the network.
#include <cstdio>

#include "base/text.h"
#include "kernels/slice.h"
#include "model/tokenizer.h"

namespace weft {
namespace {

constexpr uint32_t kRowsMax = 512;

Result<> write_rows(const std::string& path, std::string_view layer_text, std::string_view prompt) {
  WEFT_TRY(const uint64_t layer, parse_u64(layer_text));
  WEFT_TRY(const model::GgufFile file, model::GgufFile::open(path));
  WEFT_TRY(const model::Tokenizer tokenizer, model::Tokenizer::from_gguf(file));
  WEFT_TRY(const model::Model model, model::Model::open(path));
  WEFT_TRY(const auto backend, kernels::make_cpu_backend({.threads = 1}));
  const kernels::SliceOptions options{.first_layer = 0,
                                      .last_layer = uint32_t(layer),
                                      .kv_type = KvType::kF16,
                                      .kv_tokens = kRowsMax,
                                      .rows_max = kRowsMax};
  WEFT_TRY(const auto slice, kernels::Slice::load(*backend, model, options));
  kernels::SliceBatch batch;
  batch.tokens = tokenizer.encode(prompt);
  batch.sequences.push_back({SessionId{1}, 0, uint32_t(batch.tokens.size()), 0});
  WEFT_TRY(const kernels::SliceOutput output, slice->forward(batch));
  if (std::fwrite(output.hidden.data(), sizeof(float), output.hidden.size(), stdout) !=
      output.hidden.size()) {
    return Error(ErrorCode::kUnavailable, "stdout takes no more");
  }
  return {};
}

}  // namespace
}  // namespace weft

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: boundary MODEL LAYER PROMPT\n");
    return 2;
  }
  if (const auto done = weft::write_rows(argv[1], argv[2], argv[3]); !done.ok()) {
    std::fprintf(stderr, "boundary: %s\n", done.error().message.c_str());
    return 1;
  }
  return 0;
}
