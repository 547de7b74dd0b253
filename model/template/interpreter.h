// Runs a parsed template.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/template/ast.h"
#include "model/template/runtime.h"

namespace weft::model::jinja {

// One render. The program, the runtime and the scope must outlive it.
class Interpreter {
 public:
  // `globals` holds functions and the render's variables; the template's own go into a scope below.
  Interpreter(Runtime& runtime, std::shared_ptr<Scope> globals);

  // The text that `program` prints. kInvalid for the template's own exception and for errors of
  // types and names, kExhausted for a limit.
  Result<std::string> run(const Block& program);

 private:
  enum class Flow { kNext, kBreak, kContinue };

  // Statements (interpreter.cc).
  Result<Flow> execute(const Block& block);
  Result<Flow> execute(const Statement& statement);
  Result<Flow> statement(const Text& node);
  Result<Flow> statement(const Print& node);
  Result<Flow> statement(const If& node);
  Result<Flow> statement(const For& node);
  Result<Flow> statement(const Set& node);
  Result<Flow> statement(const SetBlock& node);
  Result<Flow> statement(const MacroDefinition& node);
  Result<Flow> statement(const CallBlock& node);
  Result<Flow> statement(const FilterBlock& node);
  Result<Flow> statement(const With& node);
  Result<Flow> statement(const Region& node);
  Result<Flow> statement(const Break&) { return Flow::kBreak; }
  Result<Flow> statement(const Continue&) { return Flow::kContinue; }
  Result<Value> loop_items(const For& node);
  Result<> assign(const Target& target, const Value& value);
  Result<> write(std::string_view text);
  // Runs `block` in a scope of its own and takes what it prints; `flow` is how it ended.
  Result<std::string> captured(const Block& block, Flow& flow);
  // The same, through the filters of a block.
  Result<Value> captured_and_filtered(const Block& block, const ExpressionPtr& filter, Flow& flow);
  Result<Value> make_macro(const MacroDefinition& definition);
  Result<Value> call_macro(const MacroDefinition& definition, const std::shared_ptr<Scope>& around,
                           const Arguments& arguments);
  Result<> bind_parameters(const MacroDefinition& definition, const Arguments& arguments);
  Result<> bind_named(const MacroDefinition& definition, const Arguments& arguments);

  // Expressions (evaluate.cc).
  Result<Value> evaluate(const Expression& expression);
  Result<Value> expression(const Literal& node) { return node.value; }
  Result<Value> expression(const Name& node);
  Result<Value> expression(const ListLiteral& node);
  Result<Value> expression(const DictLiteral& node);
  Result<Value> expression(const AttributeOf& node);
  Result<Value> expression(const ItemOf& node);
  Result<Value> expression(const SliceOf& node);
  Result<Value> expression(const Call& node) { return call(node, nullptr); }
  Result<Value> expression(const Filter& node);
  Result<Value> expression(const Test& node);
  Result<Value> expression(const Unary& node);
  Result<Value> expression(const Arithmetic& node);
  Result<Value> expression(const Concatenation& node);
  Result<Value> expression(const Compare& node);
  Result<Value> expression(const Logic& node);
  Result<Value> expression(const Conditional& node);
  // `caller` is passed by that name if not null.
  Result<Value> call(const Call& node, const Value* caller);
  Result<Arguments> evaluate(const CallArguments& arguments);
  const Value* find(std::string_view name) const;

  Runtime& runtime_;
  std::shared_ptr<Scope> scope_;
  std::string out_;                 // of the innermost capture
  uint64_t outer_bytes_ = 0;        // of all captures around it
  const Value* filtered_ = nullptr;  // the content of the block being filtered
  uint32_t calls_ = 0;              // macros under way
};

}  // namespace weft::model::jinja
