#include "node/mesh_answerer.h"

#include "base/file.h"
#include "base/text.h"
#include "node/cli.h"
#include "node/progress.h"

namespace weft::node {
namespace {

using Json = nlohmann::ordered_json;

constexpr Duration kPollEvery = milliseconds(300);
constexpr Duration kRetryFor = seconds(30);  // the node may still be fetching the vocabulary

// Waits, but not beyond Ctrl-C.
void pause_for(Duration duration) {
  const int signal[] = {interrupt_descriptor()};
  wait_readable(signal, duration);
}

const Json& member(const Json& object, const char* key) {
  static const Json none;
  return object.is_object() && object.contains(key) ? object[key] : none;
}

uint32_t count_in(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_number_unsigned() ? uint32_t(value.get<uint64_t>()) : 0;
}

}  // namespace

Result<std::unique_ptr<MeshAnswerer>> MeshAnswerer::open(HttpClient client,
                                                         const std::string& model,
                                                         const Clock& clock) {
  std::unique_ptr<MeshAnswerer> mesh(new MeshAnswerer(std::move(client), model, clock));
  WEFT_CHECK(mesh->client_.post_json("/api/model", {{"name", model}}));
  WEFT_CHECK(mesh->wait_until_served());
  return mesh;
}

Result<> MeshAnswerer::wait_until_served() {
  Progress progress(cat("the mesh is loading ", model_), Progress::Unit::kPercent, clock_);
  const Time start = clock_.now();
  Time last_good = start;
  std::optional<Time> refused_since;
  while (clock_.now() - start < kMeshLoadMax) {
    WEFT_TRY(const Json view, client_.get_json("/api/mesh"));
    const Json& plan = member(view, "plan");
    const bool ours = member(plan, "model_name") == model_;
    if (ours && member(plan, "active") == true) return {};
    const Json& problem = member(view, "problem");
    if (!problem.is_string()) last_good = clock_.now();
    if (clock_.now() - last_good > kMeshProblemMax) {
      return Error(ErrorCode::kUnavailable, cat("the mesh cannot serve ", model_, ": ",
                                                printable(problem.get<std::string>(), 400)));
    }
    if (const Json& reason = member(member(view, "refusal"), "reason"); reason.is_string()) {
      if (!refused_since) refused_since = clock_.now();
      if (clock_.now() - *refused_since > kMeshProblemMax) {
        return Error(ErrorCode::kExhausted, cat("the mesh does not serve ", model_, ": ",
                                                printable(reason.get<std::string>(), 400)));
      }
      // The streams that it waits for may have ended.
      WEFT_CHECK(client_.post_json("/api/model", {{"name", model_}}));
    }
    const Json& share = member(plan, "progress");
    if (ours && share.is_number()) progress.update(uint64_t(share.get<double>() * 1000), 1000);
    pause_for(kPollEvery);
    if (interrupted()) return Error(ErrorCode::kCancelled, "interrupted");
  }
  return Error(ErrorCode::kTimeout, cat("the mesh did not load ", model_, " within ",
                                        to_seconds(kMeshLoadMax), " s; see `weft status`"));
}

Result<Answer> MeshAnswerer::answer(const AnswerRequest& request,
                                    const std::function<void(std::string_view)>& on_text) {
  const Time start = clock_.now();
  while (true) {
    bool begun = false;
    auto answer = ask(request, [&](std::string_view text) {
      begun = true;
      if (on_text) on_text(text);
    });
    const bool try_again = !answer.ok() && !begun && !interrupted() &&
                           answer.error().code == ErrorCode::kUnavailable &&
                           clock_.now() - start < kRetryFor;
    if (!try_again) return answer;
    pause_for(kPollEvery);
  }
}

Result<Answer> MeshAnswerer::ask(const AnswerRequest& request,
                                 const std::function<void(std::string_view)>& on_text) {
  Answer answer;
  const Time start = clock_.now();
  std::optional<Time> first;
  const auto timed = [&](std::string_view text) {
    if (!first) first = clock_.now();
    if (on_text) on_text(text);
  };
  const auto done = client_.post_events(
      request.chat ? "/v1/chat/completions" : "/v1/completions", completion_body(model_, request),
      [&](std::string_view data) { return take_event(data, answer, timed); });
  const Time end = clock_.now();
  answer.prefill_s = to_seconds(first.value_or(end) - start);
  answer.decode_s = first ? to_seconds(end - *first) : 0;
  answer.computed_tokens = answer.prompt_tokens;
  if (!done.ok() && done.error().code == ErrorCode::kCancelled) {
    answer.finish_reason = "interrupted";
    return answer;
  }
  if (!done.ok()) return done.error();
  if (answer.finish_reason.empty()) {
    return Error(ErrorCode::kUnavailable, "the node ended the stream early; see `weft status`");
  }
  return answer;
}

Result<> take_event(std::string_view data, Answer& answer,
                    const std::function<void(std::string_view)>& on_text) {
  if (data == "[DONE]") return {};
  const Json event = Json::parse(data, nullptr, false);
  if (!event.is_object())
    return Error(ErrorCode::kCorrupt, "the node sent an event that is no JSON");
  if (event.contains("error")) {
    // As an answer's body, for its words; a stream that broke is worth another request.
    const Json& code = member(event["error"], "code");
    Error error = reply_error({500, std::string(data)});
    if (code == "unavailable") error.code = ErrorCode::kUnavailable;
    return error;
  }
  if (const Json& usage = member(event, "usage"); usage.is_object()) {
    answer.prompt_tokens = count_in(usage, "prompt_tokens");
    answer.completion_tokens = count_in(usage, "completion_tokens");
  }
  const Json& choices = member(event, "choices");
  if (!choices.is_array() || choices.empty()) return {};
  const Json& delta = member(choices[0], "delta");
  const Json& text = delta.is_object() ? member(delta, "content") : member(choices[0], "text");
  if (text.is_string() && !text.get_ref<const std::string&>().empty()) {
    answer.text += text.get_ref<const std::string&>();
    if (on_text) on_text(text.get_ref<const std::string&>());
  }
  const Json& reason = member(choices[0], "finish_reason");
  if (reason.is_string()) answer.finish_reason = reason.get<std::string>();
  return {};
}

Json completion_body(const std::string& model, const AnswerRequest& request) {
  Json body = {{"model", model}};
  if (request.chat) {
    body["messages"] = request.messages;
  } else {
    body["prompt"] = request.prompt;
  }
  if (request.max_tokens > 0) body["max_tokens"] = request.max_tokens;
  body["temperature"] = request.sampling.temperature;
  body["top_k"] = request.sampling.top_k;
  body["top_p"] = request.sampling.top_p;
  body["min_p"] = request.sampling.min_p;
  body["repetition_penalty"] = request.sampling.repetition_penalty;
  body["presence_penalty"] = request.sampling.presence_penalty;
  body["frequency_penalty"] = request.sampling.frequency_penalty;
  if (request.sampling.grammar) body["grammar"] = *request.sampling.grammar;
  body["seed"] = request.sampling.seed;
  if (!request.stop.empty()) body["stop"] = request.stop;
  body["stream"] = true;
  body["stream_options"] = {{"include_usage", true}};
  return body;
}

}  // namespace weft::node
