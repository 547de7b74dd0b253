#include "node/local_engine.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "model/sampler.h"
#include "node/adapters.h"
#include "node/cli.h"
#include "node/model_path.h"
#include "node/node.h"
#include "node/progress.h"
#include "node/text_output.h"

namespace weft::node {
namespace {

constexpr SessionId kSession{1};
constexpr uint32_t kRowsMax = 512;
// The first rows of a prompt measure the machine; then so many at a time that Ctrl-C waits about
// half a second.
constexpr uint32_t kFirstRows = 16;
constexpr double kChunkSeconds = 0.5;

Error over_context(size_t prompt, uint32_t room, uint32_t context) {
  const std::string with = room > 1 ? cat(" and ", room, " for the answer") : std::string();
  return Error(ErrorCode::kInvalid,
               cat("the prompt has ", prompt, " tokens", with, ", the context has room for ",
                   context, "; shorten it, or give a larger --ctx if the model has one"));
}

}  // namespace

// Turns tokens into the text that may be given out.
class LocalEngine::Writer {
 public:
  Writer(const model::Tokenizer& tokenizer, const std::vector<std::string>& stop,
         const std::function<void(std::string_view)>& on_text, std::string& text)
      : decoder_(tokenizer), stop_(stop), on_text_(on_text), text_(text) {}

  void push(TokenId token) { give(stop_.push(decoder_.push(token))); }
  void finish() {
    give(stop_.push(decoder_.finish()));
    give(stop_.finish());
  }
  bool stopped() const { return stop_.stopped(); }

 private:
  void give(const std::string& piece) {
    if (piece.empty()) return;
    text_ += piece;
    if (on_text_) on_text_(piece);
  }

  model::StreamDecoder decoder_;
  StopMatcher stop_;
  const std::function<void(std::string_view)>& on_text_;
  std::string& text_;
};

Result<uint32_t> context_of(const model::ModelConfig& config, uint32_t wanted) {
  if (wanted > config.context_length) {
    return Error(ErrorCode::kInvalid, cat("--ctx ", wanted, " is more than the model's context of ",
                                          config.context_length, " tokens"));
  }
  return wanted ? wanted : std::min(config.context_length, kDefaultContextTokens);
}

Result<std::unique_ptr<LocalEngine>> LocalEngine::open(const EngineOptions& options) {
  std::unique_ptr<LocalEngine> engine(new LocalEngine());
  const Time start = engine->clock_.now();
  WEFT_TRY(engine->backend_, make_backend(options.backend));
  WEFT_TRY(engine->model_, model::Model::open(options.path));
  const model::Model& model = *engine->model_;
  WEFT_TRY(engine->tokenizer_, model::Tokenizer::from_gguf(model.file()).within(options.path));
  WEFT_TRY(engine->chat_,
           ChatFormatter::from_gguf(model.file(), *engine->tokenizer_).within(options.path));
  WEFT_TRY(engine->context_, context_of(model.config(), options.context));

  kernels::SliceOptions slice;
  slice.last_layer = model.config().layer_count;
  slice.kv_tokens = engine->context_;
  WEFT_TRY(slice.kv_type, parse_kv_type(options.kv));
  slice.rows_max = std::min(kRowsMax, engine->context_);
  slice.window_streams = 1;
  WEFT_TRY(slice.adapters, adapters_for(options.lora, model));
  Progress progress(cat("loading ", model_name(options.path)), Progress::Unit::kBytes,
                    engine->clock_);
  const auto load = [&](kernels::Backend& backend) -> Result<> {
    WEFT_TRY(engine->slice_,
             kernels::Slice::load(backend, model, slice, [&](uint64_t done, uint64_t total) {
               progress.update(done, total);
               return !interrupted();
             }));
    return {};
  };
  WEFT_CHECK(load_with(engine->backend_, options.backend, load).within(cat("load ", options.path)));
  engine->load_s_ = to_seconds(engine->clock_.now() - start);
  return engine;
}

Result<std::vector<TokenId>> LocalEngine::prompt_tokens(const AnswerRequest& request) const {
  if (request.chat) return chat_->encode(request.messages, clock_.unix_seconds());
  return tokenizer_->encode(request.prompt);
}

Result<kernels::SliceOutput> LocalEngine::forward(uint32_t first, uint32_t count,
                                                  const SamplingParams& sampling) {
  kernels::SliceBatch batch;
  const bool last = first + count == tokens_.size();
  const model::BestWanted wanted = model::best_wanted(sampling, model_->config().vocab_size);
  batch.sequences = {{kSession, first, count, last ? 1u : 0u, 0, wanted.count,
                      wanted.total ? &sampling : nullptr}};
  batch.tokens.assign(tokens_.begin() + first, tokens_.begin() + first + count);
  computed_ = first;  // an error leaves nothing beyond
  WEFT_TRY(kernels::SliceOutput output, slice_->forward(batch));
  computed_ = first + count;
  return output;
}

Result<kernels::SliceOutput> LocalEngine::prefill(uint32_t cached,
                                                  const SamplingParams& sampling) {
  Progress progress("reading the prompt", Progress::Unit::kPercent, clock_);
  uint32_t rows = kFirstRows;
  kernels::SliceOutput last;
  const auto total = uint32_t(tokens_.size());
  for (uint32_t first = cached; first < total;) {
    if (interrupted()) return Error(ErrorCode::kCancelled, "interrupted");
    const uint32_t count = std::min({rows, total - first, kRowsMax, context_});
    const Time start = clock_.now();
    WEFT_TRY(last, forward(first, count, sampling));
    const double rate = count / std::max(to_seconds(clock_.now() - start), 1e-6);
    rows = uint32_t(std::clamp(rate * kChunkSeconds, double(kFirstRows), double(kRowsMax)));
    first += count;
    progress.update(first, total);
  }
  return last;
}

Result<> LocalEngine::decode(const AnswerRequest& request, kernels::SliceOutput last,
                             Writer& writer, Answer& answer) {
  const auto& ends = tokenizer_->end_tokens();
  SamplingParams sampling = request.sampling;
  sampling.answer_begin = answer.prompt_tokens;
  const uint64_t wanted = uint64_t{answer.prompt_tokens} + request.max_tokens;
  const uint64_t limit = request.max_tokens == 0 ? context_ : std::min<uint64_t>(context_, wanted);
  while (true) {
    WEFT_TRY(const model::Drawn drawn,
             constraints_.draw(model_->file(), kSession, RowScores::of_last(last), sampling,
                               tokens_, tokens_.size()));
    const TokenId token = drawn.token;
    sampling.grammar.reset();  // the first row brings it
    if (std::find(ends.begin(), ends.end(), token) != ends.end()) {
      answer.finish_reason = "stop";
      return {};
    }
    tokens_.push_back(token);
    ++answer.completion_tokens;
    writer.push(token);
    if (writer.stopped()) {
      answer.finish_reason = "stop";
      return {};
    }
    if (tokens_.size() >= limit) {
      answer.finish_reason = "length";
      return {};
    }
    if (interrupted()) {
      answer.finish_reason = "interrupted";
      return {};
    }
    WEFT_TRY(last, forward(uint32_t(tokens_.size()) - 1, 1, sampling));
  }
}

Result<Answer> LocalEngine::answer(const AnswerRequest& request,
                                   const std::function<void(std::string_view)>& on_text) {
  WEFT_CHECK(model::validate(request.sampling));
  WEFT_CHECK(validate_stop_texts(request.stop));
  WEFT_TRY(std::vector<TokenId> prompt, prompt_tokens(request));
  if (prompt.empty()) return Error(ErrorCode::kInvalid, "the prompt is empty; give one with -p");
  if (prompt.size() >= context_ || context_ - prompt.size() < request.room) {
    return over_context(prompt.size(), request.room, context_);
  }
  // What the cache has of an earlier turn stays; the last row is computed again for its logits.
  const auto common =
      size_t(std::mismatch(prompt.begin(), prompt.end(), tokens_.begin(), tokens_.end()).first -
             prompt.begin());
  auto cached = uint32_t(std::min({common, size_t{computed_}, prompt.size() - 1}));
  if (!slice_->keeps(kSession, cached)) cached = 0;
  Answer answer;
  answer.prompt_tokens = uint32_t(prompt.size());
  answer.computed_tokens = answer.prompt_tokens - cached;
  tokens_ = std::move(prompt);
  computed_ = cached;

  Writer writer(*tokenizer_, request.stop, on_text, answer.text);
  const Time start = clock_.now();
  auto last = prefill(cached, request.sampling);
  const Time first = clock_.now();
  answer.prefill_s = to_seconds(first - start);
  if (!last.ok() && last.error().code == ErrorCode::kCancelled) {
    answer.finish_reason = "interrupted";
    return answer;
  }
  if (!last.ok()) return std::move(last).error();
  WEFT_CHECK(decode(request, *std::move(last), writer, answer));
  answer.decode_s = to_seconds(clock_.now() - first);
  writer.finish();
  return answer;
}

}  // namespace weft::node
