#include "node/command_logits.h"

#include <csignal>
#include <cstdio>

#include "base/file.h"
#include "base/text.h"
#include "kernels/evaluate.h"
#include "node/adapters.h"
#include "node/command_tokenize.h"
#include "node/node.h"

namespace weft::node {

Result<> write_logits(const LogitsOptions& options) {
  kernels::EvaluateOptions evaluate;
  evaluate.chunk = options.chunk;
  WEFT_TRY(evaluate.kv_type, parse_kv_type(options.kv).within("--kv"));
  WEFT_TRY(const std::vector<TokenId> cuts, parse_token_ids(options.split).within("--split"));
  evaluate.cuts.assign(cuts.begin(), cuts.end());
  WEFT_TRY(const std::vector<TokenId> tokens, read_token_ids(options.tokens).within("--tokens"));
  WEFT_TRY(auto backend, make_backend(options.backend));
  WEFT_TRY(const model::Model model, model::Model::open(options.model_path));
  WEFT_TRY(evaluate.adapters, adapters_for(options.lora, model));

  // Nothing is open that Ctrl-C could leave behind, and the evaluation cannot be asked to stop.
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  std::vector<float> logits;
  WEFT_CHECK(load_with(backend, options.backend, [&](kernels::Backend& on) -> Result<> {
    WEFT_TRY(logits, kernels::evaluate_logits(on, model, tokens, evaluate));
    return {};
  }));
  const ByteView bytes(reinterpret_cast<const uint8_t*>(logits.data()),
                       logits.size() * sizeof(float));
  WEFT_CHECK(write_file_atomic(options.out, bytes));
  std::fprintf(stderr, "%zu x %u logits, float32, are in %s (%.*s)\n", tokens.size(),
               model.config().vocab_size, options.out.c_str(), int(backend->detail().size()),
               backend->detail().data());
  return {};
}

}  // namespace weft::node
