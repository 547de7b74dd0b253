// What callers of the Service ask, on their own threads.
#include <future>

#include "base/text.h"
#include "crypto/random.h"
#include "model/sampler.h"
#include "node/node.h"
#include "node/plan_preview.h"
#include "partition/planner.h"

namespace weft::node {
namespace {

constexpr Duration kOpenTimeout = seconds(5);  // the mesh thread answers in milliseconds
constexpr size_t kTextsMax = 4;                // vocabularies kept

constexpr const char* kNoVocabulary =
    "this node is still fetching the model's vocabulary; try again in a few seconds";

Error busy() {
  return Error(ErrorCode::kExhausted, "this node has too many requests waiting; try again soon");
}

}  // namespace

mesh::View Node::view() {
  std::lock_guard lock(mutex_);
  return view_;
}

NodeCounters Node::counters() {
  std::lock_guard lock(mutex_);
  return counters_;
}

std::vector<AdapterState> Node::adapters() {
  std::lock_guard lock(mutex_);
  return adapters_;
}

// Ready means that a request to this node is answered now: a plan is active, and this node has the
// vocabulary to be its head.
Health Node::health() {
  ModelId model;
  std::string alarm;
  {
    std::lock_guard lock(mutex_);
    alarm = alarm_;
    if (!failure_.empty()) return {false, failure_, alarm};
    if (!view_.problem.empty()) return {false, view_.problem, alarm};
    if (!view_.has_plan) return {false, "the node is starting", alarm};
    if (!view_.plan.active) {
      return {false, cat("the mesh is loading ", view_.plan.model_name, " (",
                         int(view_.plan.progress * 100), " %)"), alarm};
    }
    model = view_.plan.model;
  }
  const auto stored = store_->find(model);
  if (!stored || !stored->model) return {false, kNoVocabulary, alarm};
  return {true, "", alarm};
}

std::vector<ServedModel> Node::models() {
  const mesh::View now = view();
  std::vector<ServedModel> models;
  for (const mesh::OfferView& offer : now.offers) {
    const bool active = now.has_plan && now.plan.active && now.plan.model == offer.model;
    ServedModel model{offer.name, active, offer.file_bytes, 0};
    for (const mesh::NodeView& node : now.nodes) {
      for (const transport::ModelOffer& held : node.profile.offers) {
        if (held.model == offer.model) model.context_length = held.context_length;
      }
    }
    models.push_back(std::move(model));
  }
  return models;
}

Result<mesh::PlanView> Node::preview(const transport::ModelOffer& shape) {
  auto asked = std::make_shared<std::promise<partition::PlanRequest>>();
  auto future = asked->get_future();
  const bool posted =
      post([this, asked, shape](Time) { asked->set_value(machine_->plan_question(shape)); });
  if (!posted || future.wait_for(kOpenTimeout) != std::future_status::ready) return busy();
  const partition::PlanRequest question = future.get();
  if (question.nodes.empty()) {
    return Error(ErrorCode::kUnavailable,
                 "no member has measured itself yet; try again in a few seconds");
  }
  WEFT_TRY(const partition::Plan plan, partition::plan(question));
  mesh::PlanView view = preview_of(plan, question, shape);
  view.kv_type = options_.kv_type;
  return view;
}

Result<> Node::want_model(const std::string& name) {
  for (const mesh::OfferView& offer : view().offers) {
    if (offer.name != name) continue;
    auto asked = std::make_shared<std::promise<void>>();
    auto future = asked->get_future();
    const bool posted = post([this, asked, model = offer.model](Time now) {
      machine_->request_model(model, now);
      publish_view(now);  // so that no refusal of an older wish is taken for one of this
      asked->set_value();
    });
    if (!posted || future.wait_for(kOpenTimeout) != std::future_status::ready) return busy();
    return {};
  }
  return Error(ErrorCode::kNotFound,
               cat("no member of the mesh offers a model '", name,
                   "'; start one with --model-dir pointing at its folder"));
}

Result<std::shared_ptr<const Node::ModelText>> Node::model_text(ModelId id) {
  {
    std::lock_guard lock(mutex_);
    if (const auto found = texts_.find(id); found != texts_.end()) return found->second;
  }
  auto text = std::make_shared<ModelText>();
  text->stored = store_->find(id);
  if (!text->stored || !text->stored->model) {
    return Error(ErrorCode::kUnavailable, kNoVocabulary);
  }
  WEFT_TRY(model::Tokenizer tokenizer, model::Tokenizer::from_gguf(text->stored->model->file()));
  text->tokenizer = std::make_shared<const model::Tokenizer>(std::move(tokenizer));
  WEFT_TRY(text->chat,
           ChatFormatter::from_gguf(text->stored->model->file(), *text->tokenizer));
  std::lock_guard lock(mutex_);
  if (texts_.size() >= kTextsMax) texts_.clear();
  texts_[id] = text;
  return std::shared_ptr<const ModelText>(text);
}

Result<Node::Prepared> Node::prepare(const CompletionRequest& request, const ModelText& text) {
  WEFT_CHECK(model::validate(request.sampling));
  WEFT_CHECK(validate_stop_texts(request.stop));
  Prepared made;
  mesh::GenerateRequest& generate = made.generate;
  std::string grammar = request.grammar;
  if (request.chat) {
    const bool tools = request.tools.is_array() && request.tool_choice != ToolChoice::kNone;
    WEFT_TRY(ChatPrompt prompt,
             text.chat->prompt(request.messages, tools ? request.tools : nlohmann::ordered_json(),
                               clock_.unix_seconds()));
    generate.tokens = std::move(prompt.tokens);
    made.shape.chat = true;
    made.shape.thoughts_have_begun = prompt.thoughts == Thoughts::kHaveBegun;
    if (tools) {
      made.shape.calls = text.chat->form();
      for (const auto& tool : request.tools) {
        made.shape.tools.push_back(tool["function"]["name"].get<std::string>());
      }
    }
    if (tools && request.tool_choice == ToolChoice::kRequired) {
      WEFT_TRY(grammar,
               call_grammar(text.chat->form(), *text.tokenizer,
                            {request.tools, request.only_tool, request.several_calls},
                            prompt.thoughts));
    } else if (!grammar.empty() && request.grammar_is_ours) {
      grammar = with_thoughts(grammar, *text.tokenizer, prompt.thoughts);
    }
  } else {
    generate.tokens = text.tokenizer->encode(request.prompt);
  }
  if (generate.tokens.empty()) return Error(ErrorCode::kInvalid, "the prompt is empty");
  generate.max_tokens = request.max_tokens;
  generate.sampling = request.sampling;
  if (!grammar.empty()) {
    generate.sampling.constrained = true;
    generate.sampling.grammar = std::make_shared<const std::string>(std::move(grammar));
  }
  generate.end_tokens = text.tokenizer->end_tokens();
  return made;
}

Result<std::shared_ptr<const Node::ModelText>> Node::served_text(const std::string& model) {
  const mesh::View now = view();
  if (!now.has_plan) {
    return Error(ErrorCode::kUnavailable,
                 now.problem.empty() ? "the node is starting" : now.problem);
  }
  if (!model.empty() && model != now.plan.model_name) {
    return Error(ErrorCode::kNotFound, cat("the mesh serves '", now.plan.model_name,
                                           "' now, and has the vocabulary of no other"));
  }
  return model_text(now.plan.model);
}

Result<std::vector<TokenId>> Node::tokenize(const std::string& model, const std::string& text,
                                            bool add_special, bool parse_special) {
  WEFT_TRY(const auto served, served_text(model));
  return served->tokenizer->encode(text, {add_special, parse_special});
}

Result<std::string> Node::detokenize(const std::string& model,
                                     const std::vector<TokenId>& tokens) {
  WEFT_TRY(const auto served, served_text(model));
  for (const TokenId token : tokens) {
    if (token < 0 || uint32_t(token) >= served->tokenizer->vocab_size()) {
      return Error(ErrorCode::kInvalid, cat("token ", token, " is not in the vocabulary of ",
                                            served->tokenizer->vocab_size()));
    }
  }
  return served->tokenizer->decode(tokens, true);
}

Result<mesh::View> Node::admit(const std::string& model) {
  mesh::View now = view();
  {
    std::lock_guard lock(mutex_);
    ++counters_.requests;
  }
  if (!model.empty()) {
    bool known = now.has_plan && now.plan.model_name == model;
    for (const mesh::OfferView& offer : now.offers) known = known || offer.name == model;
    if (!known) {
      return Error(ErrorCode::kNotFound, cat("the mesh has no model '", model, "'"));
    }
    if (now.has_plan && now.plan.model_name != model) {
      return Error(ErrorCode::kUnavailable,
                   cat("the mesh serves ", now.plan.model_name, " now; ask it to serve ", model,
                       " with `weft run ", model, " --mesh`"));
    }
  }
  // While a plan loads the request is handed on all the same: the machine lets it wait for a while,
  // so that a node's loss is a pause to its clients and no error.
  const bool soon = now.has_plan && now.problem.empty() && failure().empty();
  if (const Health health = this->health(); !health.ok && !soon) {
    return Error(ErrorCode::kUnavailable, health.problem);
  }
  return now;
}

Result<OpenedSession> Node::open_session(mesh::GenerateRequest generate) {
  auto queue = std::make_shared<TokenQueue>();
  auto opened = std::make_shared<std::promise<Result<SessionId>>>();
  auto future = opened->get_future();
  const bool posted =
      post([this, queue, opened, generate = std::move(generate)](Time when) mutable {
        auto session = machine_->open(std::move(generate), when);
        if (session.ok()) streams_[*session] = queue;
        opened->set_value(std::move(session));
      });
  if (!posted) return busy();
  if (future.wait_for(kOpenTimeout) != std::future_status::ready) return busy();
  WEFT_TRY(const SessionId session, future.get());
  return OpenedSession{std::move(queue), [this, session] {
                         (void)post([this, session](Time when) {
                           streams_.erase(session);
                           machine_->cancel(session, when);
                         });
                       }};
}

Result<std::unique_ptr<CompletionStream>> Node::start(CompletionRequest request) {
  WEFT_TRY(const mesh::View now, admit(request.model));
  WEFT_TRY(const auto text, model_text(now.plan.model));
  WEFT_TRY(Prepared prepared, prepare(request, *text));
  const uint32_t prompt_tokens = uint32_t(prepared.generate.tokens.size());
  prepared.generate.model = now.plan.model;
  WEFT_TRY(OpenedSession session, open_session(std::move(prepared.generate)));
  // The tokenizer lives as long as the model text it came from.
  std::shared_ptr<const model::Tokenizer> tokenizer(text, text->tokenizer.get());
  return std::unique_ptr<CompletionStream>(std::make_unique<MeshStream>(
      std::move(tokenizer), std::move(session.queue), request.stop, std::move(prepared.shape),
      prompt_tokens, std::move(session.cancel)));
}

Result<std::unique_ptr<EmbeddingStream>> Node::embed(EmbeddingRequest request) {
  WEFT_TRY(const mesh::View now, admit(request.model));
  WEFT_TRY(const auto text, model_text(now.plan.model));
  const model::GgufFile& file = text->stored->model->file();
  if (request.dimensions > now.plan.hidden_dim) {
    return Error(ErrorCode::kInvalid,
                 cat("'dimensions' is ", request.dimensions, ", the model's vectors have ",
                     now.plan.hidden_dim));
  }
  const uint32_t capacity = std::min(now.plan.context_length, now.plan.kv_tokens);
  std::vector<mesh::GenerateRequest> inputs;
  size_t total = 0;
  for (EmbeddingInput& input : request.inputs) {
    mesh::GenerateRequest& generate = inputs.emplace_back();
    generate.model = now.plan.model;
    generate.pooling = request.pooling.value_or(own_pooling(file));
    if (const auto* words = std::get_if<std::string>(&input)) {
      generate.tokens = embedding_tokens(file, *text->tokenizer, *words);
    } else {
      generate.tokens = std::move(std::get<std::vector<TokenId>>(input));
    }
    if (generate.tokens.size() > capacity) {
      return Error(ErrorCode::kInvalid,
                   cat("input ", inputs.size() - 1, " has ", generate.tokens.size(),
                       " tokens, the context has room for ", capacity));
    }
    total += generate.tokens.size();
    if (total > kEmbeddingTokensMax) {
      return Error(ErrorCode::kInvalid, cat("the inputs have more than ", kEmbeddingTokensMax,
                                            " tokens together; send them in several requests"));
    }
  }
  return std::unique_ptr<EmbeddingStream>(std::make_unique<MeshEmbeddings>(
      std::move(inputs), request.dimensions, now.plan.kv_tokens / 2,
      [this](mesh::GenerateRequest generate) { return open_session(std::move(generate)); }));
}

}  // namespace weft::node
