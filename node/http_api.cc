#include "node/http_api.h"

#include <iterator>

#include "base/text.h"
#include "crypto/random.h"
#include "node/http_json.h"
#include "node/mesh_json.h"
#include "node/openai_embedding.h"
#include "node/openai_request.h"
#include "node/page.h"
#include "node/plan_preview.h"

namespace weft::node {
namespace {

constexpr Duration kPollEvery = milliseconds(200);  // for a client that has gone
constexpr size_t kAnswerBytesMax = 16 * 1024 * 1024;
constexpr std::string_view kModelPrefix = "/v1/models/";

enum class Route {
  kNone,
  kChat,
  kCompletion,
  kEmbeddings,
  kTokenize,
  kDetokenize,
  kModels,
  kOneModel,
  kHealth,
  kMetrics,
  kMesh,
  kWantModel,
  kPreview,
  kPage,
};

Route route_of(std::string_view path) {
  if (path == "/v1/chat/completions") return Route::kChat;
  if (path == "/v1/completions") return Route::kCompletion;
  if (path == "/v1/embeddings") return Route::kEmbeddings;
  if (path == "/tokenize") return Route::kTokenize;
  if (path == "/detokenize") return Route::kDetokenize;
  if (path == "/v1/models") return Route::kModels;
  if (path.starts_with(kModelPrefix) && path.size() > kModelPrefix.size()) return Route::kOneModel;
  if (path == "/health") return Route::kHealth;
  if (path == "/metrics") return Route::kMetrics;
  if (path == "/api/mesh") return Route::kMesh;
  if (path == "/api/model") return Route::kWantModel;
  if (path == "/api/plan") return Route::kPreview;
  if (page_asset(path)) return Route::kPage;
  return Route::kNone;
}

bool takes_post(Route route) {
  switch (route) {
    case Route::kChat:
    case Route::kCompletion:
    case Route::kEmbeddings:
    case Route::kTokenize:
    case Route::kDetokenize:
    case Route::kWantModel:
    case Route::kPreview: return true;
    default: return false;
  }
}

HttpResponse json_response(std::string body, int status = 200) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

HttpResponse error_response(const Error& error) { return node::error_response(api_error(error)); }

HttpResponse page_response(std::string_view path) {
  const auto asset = page_asset(path);
  HttpResponse response;
  response.content_type = std::string(asset->content_type);
  response.headers.emplace_back("Content-Security-Policy", std::string(kPagePolicy));
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  response.body = std::string(asset->body);
  return response;
}

// Bytes that an event adds to a whole answer.
size_t take_event(StreamEvent& event, Choice& choice) {
  if (auto* delta = std::get_if<TextDelta>(&event)) {
    choice.text += delta->text;
    std::move(delta->tokens.begin(), delta->tokens.end(), std::back_inserter(choice.tokens));
    return delta->text.size() + 64 * delta->tokens.size() * (1 + kTopLogprobsMax);
  }
  if (auto* thought = std::get_if<ReasoningDelta>(&event)) {
    choice.reasoning += thought->text;
    return thought->text.size();
  }
  if (auto* call = std::get_if<ToolCallDelta>(&event)) {
    choice.calls.push_back(std::move(*call));
    return choice.calls.back().arguments.size();
  }
  choice.finish = std::get<Finish>(event);
  return 0;
}

Result<std::vector<Choice>> read_whole(ChoiceStreams streams,
                                       const std::function<std::optional<Error>()>& give_up) {
  std::vector<Choice> choices(streams.size());
  size_t bytes = 0;
  for (;;) {
    if (auto got = streams.next(kPollEvery)) {
      if (const auto* error = std::get_if<Error>(&got->event)) return *error;
      bytes += take_event(got->event, choices[got->choice]);
      if (streams.all_finished()) return choices;
      if (bytes > kAnswerBytesMax) {
        return Error(ErrorCode::kExhausted,
                     cat("the answer is longer than ", format_bytes(kAnswerBytesMax),
                         "; ask for it with \"stream\": true"));
      }
    }
    if (auto reason = give_up()) return std::move(*reason);
  }
}

Result<std::vector<Embedding>> read_embeddings(
    EmbeddingStream& stream, const OpenAiEmbedding& asked,
    const std::function<std::optional<Error>()>& give_up) {
  const size_t count = asked.request.inputs.size();
  std::vector<Embedding> embeddings;
  while (embeddings.size() < count) {
    if (auto got = stream.next(kPollEvery)) {
      if (!got->ok()) return got->error();
      embeddings.push_back(std::move(**got));
      const size_t dimensions = embeddings.back().values.size();
      if (count * embedding_bytes(dimensions, asked.base64) > kEmbeddingBytesMax) {
        return Error(ErrorCode::kInvalid,
                     cat(count, " vectors of ", dimensions, " numbers are more than an answer of ",
                         format_bytes(kEmbeddingBytesMax),
                         "; send fewer inputs, or ask for base64 or fewer dimensions"));
      }
    }
    if (auto reason = give_up()) return std::move(*reason);
  }
  return embeddings;
}

}  // namespace

HttpResponse error_response(const ApiError& error) {
  HttpResponse response = json_response(error_json(error), error.status);
  if (error.status == 429) response.headers.emplace_back("Retry-After", "1");
  if (error.status == 503) response.headers.emplace_back("Retry-After", "5");
  if (error.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

HttpApi::HttpApi(Service& service) : service_(service), started_(clock_.unix_seconds()) {}

bool HttpApi::is_public(std::string_view path) {
  const Route route = route_of(path);
  return route == Route::kPage || route == Route::kHealth;
}

std::optional<HttpResponse> HttpApi::refuse(std::string_view method, std::string_view path) const {
  const Route route = route_of(path);
  if (route == Route::kNone) {
    return error_response(Error(ErrorCode::kNotFound, "there is nothing at this path"));
  }
  const bool fits = takes_post(route) ? method == "POST" : method == "GET" || method == "HEAD";
  if (fits) return std::nullopt;
  const std::string allowed = takes_post(route) ? "POST" : "GET, HEAD";
  HttpResponse response = node::error_response(
      {405, cat("this path takes ", allowed, " only"), "invalid_request_error",
       "method_not_allowed"});
  response.headers.emplace_back("Allow", allowed);
  return response;
}

HttpResponse HttpApi::handle(const HttpRequest& request, const HttpCounters& counters,
                             const GiveUp& give_up) const {
  if (auto refusal = refuse(request.method, request.path)) return std::move(*refusal);
  switch (route_of(request.path)) {
    case Route::kChat: return complete(request, true, give_up);
    case Route::kCompletion: return complete(request, false, give_up);
    case Route::kEmbeddings: return embed(request, give_up);
    case Route::kTokenize: return tokenize(request);
    case Route::kDetokenize: return detokenize(request);
    case Route::kModels: return json_response(models_json(service_.models(), started_));
    case Route::kOneModel: return one_model(request.path.substr(kModelPrefix.size()));
    case Route::kHealth: return health();
    case Route::kMesh: return json_response(
        json_text(mesh_json(service_.view(), service_.health().alarm, service_.adapters())));
    case Route::kWantModel: return want_model(request);
    case Route::kPreview: return preview(request);
    case Route::kPage: return page_response(request.path);
    case Route::kMetrics: {
      HttpResponse response = json_response(
          metrics_text(service_.counters(), service_.view(), service_.health(), counters));
      response.content_type = std::string(kMetricsContentType);
      return response;
    }
    case Route::kNone: break;
  }
  return error_response(Error(ErrorCode::kNotFound, "there is nothing at this path"));
}

HttpResponse HttpApi::complete(const HttpRequest& request, bool chat,
                               const GiveUp& give_up) const {
  const uint64_t seed = crypto::random_u64();
  auto parsed = chat ? parse_chat_request(request.body, seed)
                     : parse_completion_request(request.body, seed);
  if (!parsed.ok()) return error_response(parsed.error());
  AnswerHead head = answer_head(parsed->completion);
  const bool with_logprobs = parsed->completion.sampling.logprobs > 0;
  std::vector<std::unique_ptr<CompletionStream>> streams;
  for (uint32_t i = 0; i < parsed->choices; ++i) {
    CompletionRequest one = parsed->completion;
    // Each choice draws by a seed of its own, the first by that of the request.
    one.sampling.seed += i * 0x9E3779B97F4A7C15u;
    auto stream = service_.start(std::move(one));
    if (!stream.ok()) return error_response(stream.error());
    streams.push_back(std::move(*stream));
  }
  if (parsed->stream) {
    HttpResponse response;
    response.content_type = "text/event-stream; charset=utf-8";
    response.stream = std::make_unique<SseStream>(std::move(streams), std::move(head),
                                                  parsed->include_usage);
    return response;
  }
  const auto choices = read_whole(ChoiceStreams(std::move(streams)), give_up);
  if (!choices.ok()) return error_response(choices.error());
  return json_response(answer_json(head, *choices, with_logprobs));
}

HttpResponse HttpApi::embed(const HttpRequest& request, const GiveUp& give_up) const {
  const auto parsed = parse_embedding_request(request.body);
  if (!parsed.ok()) return error_response(parsed.error());
  const std::string name = model_name(parsed->request.model);
  const auto stream = service_.embed(parsed->request);
  if (!stream.ok()) return error_response(stream.error());
  const auto embeddings = read_embeddings(**stream, *parsed, give_up);
  if (!embeddings.ok()) return error_response(embeddings.error());
  return json_response(embeddings_json(name, *embeddings, parsed->base64));
}

HttpResponse HttpApi::tokenize(const HttpRequest& request) const {
  const auto parsed = parse_tokenize_request(request.body);
  if (!parsed.ok()) return error_response(parsed.error());
  const auto tokens = service_.tokenize(parsed->model, parsed->content, parsed->add_special,
                                        parsed->parse_special);
  if (!tokens.ok()) return error_response(tokens.error());
  return json_response(json_text(nlohmann::ordered_json{{"tokens", *tokens}}));
}

HttpResponse HttpApi::detokenize(const HttpRequest& request) const {
  const auto parsed = parse_detokenize_request(request.body);
  if (!parsed.ok()) return error_response(parsed.error());
  const auto text = service_.detokenize(parsed->model, parsed->tokens);
  if (!text.ok()) return error_response(text.error());
  return json_response(json_text(nlohmann::ordered_json{{"content", *text}}));
}

AnswerHead HttpApi::answer_head(const CompletionRequest& request) const {
  AnswerHead head;
  head.chat = request.chat;
  head.id = cat(request.chat ? "chatcmpl-" : "cmpl-",
                to_string(crypto::random_id<NodeId>()).substr(0, 24));
  head.created = clock_.unix_seconds();
  head.model = model_name(request.model);
  return head;
}

std::string HttpApi::model_name(const std::string& asked) const {
  if (!asked.empty()) return asked;
  for (const ServedModel& model : service_.models()) {
    if (model.active) return model.name;
  }
  return "";
}

HttpResponse HttpApi::want_model(const HttpRequest& request) const {
  const auto object = parse_json_object(request.body);
  if (!object.ok()) return error_response(object.error());
  const auto name = object->find("name");
  if (name == object->end() || !name->is_string() || name->get_ref<const std::string&>().empty()) {
    return error_response(Error(ErrorCode::kInvalid, "'name' must be a model's name"));
  }
  if (auto wanted = service_.want_model(name->get<std::string>()); !wanted.ok()) {
    return error_response(wanted.error());
  }
  return json_response("{\"ok\":true}", 202);
}

// {"model": a name that the mesh offers} or {"shape": a model's, as shape_json gives it}.
HttpResponse HttpApi::preview(const HttpRequest& request) const {
  const auto object = parse_json_object(request.body);
  if (!object.ok()) return error_response(object.error());
  Result<transport::ModelOffer> shape =
      Error(ErrorCode::kInvalid, "give 'model', a model's name, or 'shape'");
  if (const auto given = object->find("shape"); given != object->end()) {
    shape = parse_shape(*given);
  } else if (const auto name = object->find("model"); name != object->end() && name->is_string()) {
    const mesh::View view = service_.view();
    const auto* offer = offer_named(view, name->get_ref<const std::string&>());
    shape = offer ? Result<transport::ModelOffer>(*offer)
                  : Error(ErrorCode::kNotFound,
                          cat("no member offers a model '",
                              printable(name->get_ref<const std::string&>()),
                              "'; for one that is not in the mesh give its file's path"));
  }
  if (!shape.ok()) return error_response(shape.error());
  const auto plan = service_.preview(*shape);
  if (!plan.ok()) return error_response(plan.error());
  nlohmann::ordered_json json = plan_json(*plan);
  json["preview"] = true;
  return json_response(json_text(json));
}

HttpResponse HttpApi::one_model(std::string_view name) const {
  for (const ServedModel& model : service_.models()) {
    if (model.name == name) return json_response(model_json(model, started_));
  }
  return error_response(Error(ErrorCode::kNotFound,
                              cat("the mesh has no model '", printable(name),
                                  "'; GET /v1/models lists those it has")));
}

HttpResponse HttpApi::health() const {
  const Health health = service_.health();
  const nlohmann::ordered_json json = {
      {"status", health.ok ? "ok" : "unavailable"},
      {"reason", health.ok ? nlohmann::ordered_json() : nlohmann::ordered_json(health.problem)}};
  return json_response(json_text(json), health.ok ? 200 : 503);
}

}  // namespace weft::node
