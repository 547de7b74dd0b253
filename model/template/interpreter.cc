#include "model/template/interpreter.h"

#include <algorithm>

#include "base/text.h"
#include "model/template/access.h"
#include "model/template/write.h"

namespace weft::model::jinja {
namespace {

// Puts a value in place for as long as this lives.
template <typename T>
class Swapped {
 public:
  Swapped(T& place, T value) : place_(place), kept_(std::exchange(place, std::move(value))) {}
  Swapped(const Swapped&) = delete;
  Swapped& operator=(const Swapped&) = delete;
  ~Swapped() { place_ = std::move(kept_); }

 private:
  T& place_;
  T kept_;
};

std::shared_ptr<Scope> scope_within(const std::shared_ptr<Scope>& parent) {
  return std::make_shared<Scope>(Scope{parent, {}});
}

}  // namespace

Interpreter::Interpreter(Runtime& runtime, std::shared_ptr<Scope> globals)
    : runtime_(runtime), scope_(scope_within(globals)) {}

Result<std::string> Interpreter::run(const Block& program) {
  WEFT_TRY(const Flow flow, execute(program));
  WEFT_ASSERT(flow == Flow::kNext);  // the parser lets no break stand outside a loop
  return std::move(out_);
}

Result<Interpreter::Flow> Interpreter::execute(const Block& block) {
  for (const auto& one : block) {
    WEFT_TRY(const Flow flow, execute(*one));
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::execute(const Statement& one) {
  WEFT_TRY(const Frame frame, runtime_.enter());
  runtime_.set_line(one.line);
  WEFT_CHECK(runtime_.step());
  return std::visit([&](const auto& node) { return statement(node); }, one.node);
}

Result<> Interpreter::write(std::string_view text) {
  WEFT_CHECK(runtime_.touch_bytes(text.size()));
  const uint64_t limit = runtime_.limits().output_bytes;
  const uint64_t written = outer_bytes_ + out_.size();
  if (text.size() > limit || written > limit - text.size()) {
    return Error(ErrorCode::kExhausted, cat("template line ", runtime_.line(),
                                            ": the template prints more than ",
                                            format_bytes(limit)));
  }
  out_ += text;
  return {};
}

Result<Interpreter::Flow> Interpreter::statement(const Text& node) {
  WEFT_CHECK(write(node.text));
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::statement(const Print& node) {
  WEFT_TRY(const Value value, evaluate(*node.value));
  if (value.is(Kind::kString)) {
    WEFT_CHECK(write(value.text()));
  } else {
    WEFT_TRY(const std::string text, to_text(runtime_, value));
    WEFT_CHECK(write(text));
  }
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::statement(const If& node) {
  for (const auto& [condition, block] : node.branches) {
    WEFT_TRY(const Value value, evaluate(*condition));
    if (truthy(value)) return execute(block);
  }
  return execute(node.otherwise);
}

// What the loop runs over, its filter applied. The filter sees the target, but no `loop`.
Result<Value> Interpreter::loop_items(const For& node) {
  WEFT_TRY(const Value iterable, evaluate(*node.sequence));
  WEFT_TRY(const Value all, iterate(runtime_, iterable));
  if (!node.filter) return all;
  std::vector<Value> kept;
  const Swapped scope(scope_, scope_within(scope_));
  for (const Value& item : all.items()) {
    WEFT_CHECK(assign(node.target, item));
    WEFT_TRY(const Value holds, evaluate(*node.filter));
    if (!truthy(holds)) continue;
    WEFT_CHECK(runtime_.room(kept.size() * sizeof(Value)));
    kept.push_back(item);
  }
  return runtime_.list(std::move(kept), Flavor::kGenerator);
}

Result<Interpreter::Flow> Interpreter::statement(const For& node) {
  WEFT_TRY(const Value items, loop_items(node));
  const size_t count = items.items().size();
  if (count == 0) {
    const Swapped scope(scope_, scope_within(scope_));
    return execute(node.otherwise);
  }
  // An alias that keeps the sequence's body alive through the value that holds it.
  const auto holder = std::make_shared<const Value>(items);
  const auto loop = std::make_shared<LoopBody>();
  loop->sequence = std::shared_ptr<const SequenceBody>(holder, &holder->sequence());
  const auto outer = scope_;
  for (size_t i = 0; i < count; ++i) {
    WEFT_CHECK(runtime_.step());
    loop->index = i;
    // Every round starts with fresh variables; a macro may have kept the last round's.
    const Swapped scope(scope_, scope_within(outer));
    scope_->variables["loop"] = Value(loop);
    WEFT_CHECK(assign(node.target, items.items()[i]));
    WEFT_TRY(const Flow flow, execute(node.body));
    if (flow == Flow::kBreak) break;
  }
  return Flow::kNext;
}

Result<> Interpreter::assign(const Target& target, const Value& value) {
  WEFT_CHECK(runtime_.step());
  if (!target.parts.empty()) {
    WEFT_TRY(const Value parts, iterate(runtime_, value));
    if (parts.items().size() != target.parts.size()) {
      return runtime_.fail(cat("cannot unpack ", parts.items().size(), " values into ",
                               target.parts.size(), " names"));
    }
    for (size_t i = 0; i < target.parts.size(); ++i) {
      WEFT_CHECK(assign(target.parts[i], parts.items()[i]));
    }
    return {};
  }
  if (target.attribute.empty()) {
    scope_->variables[target.name] = value;
    return {};
  }
  const Value* object = find(target.name);
  if (!object || !object->is(Kind::kNamespace)) {
    return runtime_.fail("cannot assign attribute on non-namespace object");
  }
  NamespaceBody& body = object->ns();
  const size_t before = body.attributes.entries().size();
  body.attributes.set(Value::literal(target.attribute), value);
  return runtime_.grown(body, before);
}

Result<Interpreter::Flow> Interpreter::statement(const Set& node) {
  WEFT_TRY(const Value value, evaluate(*node.value));
  WEFT_CHECK(assign(node.target, value));
  return Flow::kNext;
}

Result<std::string> Interpreter::captured(const Block& block, Flow& flow) {
  const Swapped scope(scope_, scope_within(scope_));
  const Swapped<uint64_t> bytes(outer_bytes_, outer_bytes_ + out_.size());
  std::string text;
  {
    const Swapped<std::string> out(out_, "");
    WEFT_TRY(flow, execute(block));
    text = std::move(out_);
  }
  return text;
}

Result<Value> Interpreter::captured_and_filtered(const Block& block, const ExpressionPtr& filter,
                                                 Flow& flow) {
  WEFT_TRY(std::string text, captured(block, flow));
  WEFT_TRY(const Value content, runtime_.string(std::move(text)));
  if (!filter) return content;
  const Swapped<const Value*> filtered(filtered_, &content);
  return evaluate(*filter);
}

Result<Interpreter::Flow> Interpreter::statement(const SetBlock& node) {
  Flow flow = Flow::kNext;
  WEFT_TRY(const Value value, captured_and_filtered(node.body, node.filter, flow));
  WEFT_CHECK(assign(node.target, value));
  return flow;
}

Result<Interpreter::Flow> Interpreter::statement(const FilterBlock& node) {
  Flow flow = Flow::kNext;
  WEFT_TRY(const Value value, captured_and_filtered(node.body, node.filter, flow));
  WEFT_TRY(const std::string text, to_text(runtime_, value));
  WEFT_CHECK(write(text));
  return flow;
}

Result<Interpreter::Flow> Interpreter::statement(const MacroDefinition& node) {
  WEFT_TRY(auto macro, make_macro(node));
  scope_->variables[node.name] = std::move(macro);
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::statement(const CallBlock& node) {
  WEFT_TRY(const Value caller, make_macro(node.caller));
  WEFT_TRY(const Value value, call(std::get<Call>(node.call->node), &caller));
  WEFT_TRY(const std::string text, to_text(runtime_, value));
  WEFT_CHECK(write(text));
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::statement(const With& node) {
  const auto inner = scope_within(scope_);
  for (const auto& [target, value] : node.bindings) {  // values see the names outside
    WEFT_TRY(const Value bound, evaluate(*value));
    const Swapped scope(scope_, inner);
    WEFT_CHECK(assign(target, bound));
  }
  const Swapped scope(scope_, inner);
  return execute(node.body);
}

Result<Interpreter::Flow> Interpreter::statement(const Region& node) {
  const Swapped scope(scope_, scope_within(scope_));
  return execute(node.body);
}

Result<Value> Interpreter::make_macro(const MacroDefinition& definition) {
  WEFT_CHECK(runtime_.keep(scope_));
  return runtime_.callable(
      cat("macro '", definition.name, "'"), 0,
      [this, &definition, around = scope_](Runtime&, const Arguments& arguments) {
        return call_macro(definition, around, arguments);
      });
}

Result<Value> Interpreter::call_macro(const MacroDefinition& definition,
                                      const std::shared_ptr<Scope>& around,
                                      const Arguments& arguments) {
  if (calls_ >= runtime_.limits().depth) {
    return Error(ErrorCode::kExhausted,
                 cat("template line ", runtime_.line(), ": macros call one another more than ",
                     runtime_.limits().depth, " deep"));
  }
  const uint32_t line = runtime_.line();
  const Swapped<uint32_t> calls(calls_, calls_ + 1);
  const Swapped scope(scope_, scope_within(around));
  WEFT_CHECK(bind_parameters(definition, arguments));
  Flow flow = Flow::kNext;
  WEFT_TRY(std::string text, captured(definition.body, flow));
  runtime_.set_line(line);
  return runtime_.string(std::move(text));
}

Result<> Interpreter::bind_parameters(const MacroDefinition& definition,
                                      const Arguments& arguments) {
  const size_t count = definition.parameters.size();
  const size_t given = arguments.positional.size();
  if (given > count && !definition.uses_varargs) {
    return runtime_.fail(cat("macro '", definition.name, "' takes not more than ", count,
                             " argument(s)"));
  }
  for (size_t i = 0; i < std::min(given, count); ++i) {
    scope_->variables[definition.parameters[i].name] = arguments.positional[i];
  }
  if (definition.uses_varargs) {
    const auto rest = arguments.positional.begin() + ptrdiff_t(std::min(given, count));
    WEFT_TRY(scope_->variables["varargs"], runtime_.tuple({rest, arguments.positional.end()}));
  }
  WEFT_CHECK(bind_named(definition, arguments));
  for (const Parameter& parameter : definition.parameters) {  // a default may use those before it
    if (scope_->variables.contains(parameter.name)) continue;
    Value value;
    if (parameter.fallback) {
      WEFT_TRY(value, evaluate(*parameter.fallback));
    } else {
      WEFT_TRY(value, runtime_.undefined(
                          cat("parameter '", printable(parameter.name), "' was not provided")));
    }
    scope_->variables[parameter.name] = std::move(value);
  }
  return {};
}

Result<> Interpreter::bind_named(const MacroDefinition& definition, const Arguments& arguments) {
  Dict rest;
  if (definition.uses_caller && !scope_->variables.contains("caller")) {
    WEFT_TRY(scope_->variables["caller"], runtime_.undefined("No caller defined"));
  }
  for (const auto& [name, value] : arguments.named) {
    const auto parameter =
        std::find_if(definition.parameters.begin(), definition.parameters.end(),
                     [&, &wanted = name](const Parameter& p) { return p.name == wanted; });
    if (parameter != definition.parameters.end()) {
      if (!scope_->variables.emplace(parameter->name, value).second) {
        return runtime_.fail(cat("macro '", definition.name, "' got multiple values for argument '",
                                 name, "'"));
      }
    } else if (definition.uses_caller && name == "caller") {
      scope_->variables["caller"] = value;
    } else if (definition.uses_kwargs) {
      rest.set(Value::literal(name), value);
    } else {
      return runtime_.fail(cat("macro '", definition.name, "' takes no keyword argument '",
                               printable(name), "'"));
    }
  }
  if (definition.uses_kwargs) {
    WEFT_TRY(scope_->variables["kwargs"], runtime_.dict(std::move(rest)));
  }
  return {};
}

}  // namespace weft::model::jinja
