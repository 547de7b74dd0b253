#include "node/command_run.h"

#include <algorithm>
#include <cstdio>
#include <iomanip>
#include <sstream>

#include "base/file.h"
#include "base/text.h"
#include "crypto/random.h"
#include "model/grammar.h"
#include "model/json_schema.h"
#include "node/cli.h"
#include "node/http_json.h"
#include "node/local_engine.h"
#include "node/mesh_answerer.h"
#include "node/model_path.h"
#include "node/terminal_chat.h"

namespace weft::node {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kGrammarFileMax = 1024 * 1024;
constexpr uint32_t kChatRoomMax = 256;  // tokens kept free for an answer of a chat

void write_out(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void write_note(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

std::string one_decimal(double value) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(1) << value;
  return out.str();
}

struct Opened {
  std::unique_ptr<Answerer> answerer;
  uint32_t context = 0;  // 0: the node knows
  double load_s = 0;
};

Result<Opened> open_answerer(const RunOptions& options, const Clock& clock) {
  Opened opened;
  if (options.mesh) {
    if (!options.lora.empty()) {
      return Error(ErrorCode::kInvalid, "--lora is for this machine alone; the nodes of a mesh "
                                        "apply adapters: give it to `weft up` on each of them");
    }
    WEFT_TRY(HttpClient client, HttpClient::to_node(options.dir, options.http, interrupted));
    WEFT_CHECK(client.use_api_key_file(options.api_key_file));
    WEFT_TRY(opened.answerer,
             MeshAnswerer::open(std::move(client), model_name(options.model), clock));
    return opened;
  }
  EngineOptions engine_options;
  std::vector<std::string> folders = options.model_dirs;
  folders.push_back(options.dir + "/models");
  WEFT_TRY(engine_options.path, find_model(options.model, folders));
  engine_options.backend = options.backend;
  engine_options.context = options.context;
  engine_options.kv = options.kv;
  engine_options.lora = options.lora;
  WEFT_TRY(auto engine, LocalEngine::open(engine_options));
  opened.context = engine->context();
  opened.load_s = engine->load_s();
  opened.answerer = std::move(engine);
  return opened;
}

Result<> chat_in_terminal(Opened& opened, const RunOptions& options, AnswerRequest request) {
  if (options.json || options.raw || !opened.answerer->has_template()) {
    return Error(ErrorCode::kInvalid,
                 options.json || options.raw
                     ? "--json and --raw need a prompt; give one with -p"
                     : "this model brings no chat template; give a text to go on with -p");
  }
  const uint32_t wanted = request.max_tokens == 0 ? kChatRoomMax : request.max_tokens;
  if (opened.context > 0) {
    request.room = std::max(1u, std::min({wanted, kChatRoomMax, opened.context / 4}));
  }
  InputLines lines;
  return run_chat(
      *opened.answerer, std::move(request),
      {[&] { return lines.next(); }, write_out, write_note, interrupted, clear_interrupt});
}

// The grammar that a file has, or that its JSON schema becomes.
Result<> read_grammar(RunOptions& options) {
  const bool schema = !options.schema_file.empty();
  const std::string& path = schema ? options.schema_file : options.grammar_file;
  if (path.empty()) return {};
  if (schema && !options.grammar_file.empty()) {
    return Error(ErrorCode::kInvalid, "give --grammar or --json-schema, not both");
  }
  WEFT_TRY(const Bytes read, read_file(path, kGrammarFileMax));
  std::string text(read.begin(), read.end());
  if (schema) {
    WEFT_CHECK(parse_json_object(text).within(path));
    WEFT_TRY(text, model::json_schema_grammar(Json::parse(text, nullptr, false)).within(path));
  } else {
    WEFT_CHECK(model::Grammar::parse(text).within(path));
  }
  options.sampling.constrained = true;
  options.sampling.grammar = std::make_shared<const std::string>(std::move(text));
  return {};
}

}  // namespace

std::string answer_json_text(const RunOptions& options, const Answer& answer, double load_s) {
  const Json json = {{"model", model_name(options.model)},
                     {"text", answer.text},
                     {"finish_reason", answer.finish_reason},
                     {"usage",
                      {{"prompt_tokens", answer.prompt_tokens},
                       {"completion_tokens", answer.completion_tokens},
                       {"total_tokens", answer.prompt_tokens + answer.completion_tokens}}},
                     {"timings",
                      {{"load_s", load_s},
                       {"prefill_s", answer.prefill_s},
                       {"decode_s", answer.decode_s},
                       {"prefill_tps", answer.prefill_tps()},
                       {"decode_tps", answer.decode_tps()}}},
                     {"seed", options.sampling.seed}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<> run_model(RunOptions options) {
  WEFT_CHECK(read_grammar(options));
  if (options.seed) {
    options.sampling.seed = *options.seed;
  } else {
    // Half the bits, so that any JSON reader keeps the number as it is.
    options.sampling.seed = crypto::random_u64() >> 32;
  }
  const SystemClock clock;
  WEFT_TRY(Opened opened, open_answerer(options, clock));

  AnswerRequest request;
  request.max_tokens = options.max_tokens;
  request.sampling = options.sampling;
  request.stop = options.stop;
  if (!options.prompt) return chat_in_terminal(opened, options, std::move(request));

  const std::string prompt = utf8_sanitize(*options.prompt);
  request.chat = !options.raw && opened.answerer->has_template();
  if (request.chat) {
    request.messages = Json::array({{{"role", "user"}, {"content", prompt}}});
  } else {
    request.prompt = prompt;
  }
  std::function<void(std::string_view)> on_text;
  if (!options.json) on_text = write_out;
  WEFT_TRY(const Answer answer, opened.answerer->answer(request, on_text));
  if (options.json) {
    write_out(answer_json_text(options, answer, opened.load_s) + "\n");
  } else {
    write_out("\n");
    write_note(cat("[", answer.prompt_tokens, " prompt tokens at ",
                   one_decimal(answer.prefill_tps()), "/s, ", answer.completion_tokens,
                   " new ones at ", one_decimal(answer.decode_tps()), "/s, ", answer.finish_reason,
                   "]\n"));
  }
  if (answer.finish_reason == "interrupted") return Error(ErrorCode::kCancelled, "interrupted");
  return {};
}

}  // namespace weft::node
