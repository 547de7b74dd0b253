// Of Interpreter: expressions.
#include "base/text.h"
#include "model/template/access.h"
#include "model/template/filters.h"
#include "model/template/interpreter.h"
#include "model/template/operators.h"
#include "model/template/tests.h"
#include "model/template/write.h"

namespace weft::model::jinja {

Result<Value> Interpreter::evaluate(const Expression& whole) {
  WEFT_TRY(const Frame frame, runtime_.enter());
  WEFT_CHECK(runtime_.step());
  runtime_.set_line(whole.line);
  return std::visit([&](const auto& node) { return expression(node); }, whole.node);
}

Result<Arguments> Interpreter::evaluate(const CallArguments& arguments) {
  Arguments values;
  values.positional.reserve(arguments.positional.size());
  for (const auto& argument : arguments.positional) {
    WEFT_TRY(auto value, evaluate(*argument));
    values.positional.push_back(std::move(value));
  }
  for (const auto& [name, argument] : arguments.named) {
    WEFT_TRY(auto value, evaluate(*argument));
    values.named.emplace_back(name, std::move(value));
  }
  return values;
}

const Value* Interpreter::find(std::string_view name) const {
  for (const Scope* scope = scope_.get(); scope; scope = scope->parent.get()) {
    const auto found = scope->variables.find(name);
    if (found != scope->variables.end()) return &found->second;
  }
  return nullptr;
}

Result<Value> Interpreter::expression(const Name& node) {
  if (const Value* value = find(node.name)) return *value;
  return runtime_.undefined(cat("'", printable(node.name), "' is undefined"));
}

Result<Value> Interpreter::expression(const ListLiteral& node) {
  std::vector<Value> items;
  items.reserve(node.items.size());
  for (const auto& item : node.items) {
    WEFT_TRY(auto value, evaluate(*item));
    items.push_back(std::move(value));
  }
  return runtime_.list(std::move(items), node.flavor);
}

Result<Value> Interpreter::expression(const DictLiteral& node) {
  Dict dict;
  for (const auto& [key_node, value_node] : node.entries) {
    WEFT_TRY(const Value key, evaluate(*key_node));
    WEFT_TRY(auto value, evaluate(*value_node));
    WEFT_CHECK(runtime_.touch(key));
    if (!dict.set(key, std::move(value))) {
      return runtime_.fail(cat("unhashable type: '", type_name(key), "'"));
    }
  }
  return runtime_.dict(std::move(dict));
}

Result<Value> Interpreter::expression(const AttributeOf& node) {
  WEFT_TRY(const Value object, evaluate(*node.object));
  return attribute_of(runtime_, object, node.name);
}

Result<Value> Interpreter::expression(const ItemOf& node) {
  WEFT_TRY(const Value object, evaluate(*node.object));
  WEFT_TRY(const Value key, evaluate(*node.key));
  return item_of(runtime_, object, key);
}

Result<Value> Interpreter::expression(const SliceOf& node) {
  WEFT_TRY(const Value object, evaluate(*node.object));
  Value bounds[3];
  const ExpressionPtr* nodes[3] = {&node.start, &node.stop, &node.step};
  for (int i = 0; i < 3; ++i) {
    if (!*nodes[i]) {
      bounds[i] = Value::none();
    } else {
      WEFT_TRY(bounds[i], evaluate(**nodes[i]));
    }
  }
  return slice_of(runtime_, object, &bounds[0], &bounds[1], &bounds[2]);
}

Result<Value> Interpreter::call(const Call& node, const Value* caller) {
  WEFT_TRY(const Value callee, evaluate(*node.callee));
  WEFT_TRY(Arguments arguments, evaluate(node.arguments));
  if (caller) arguments.named.emplace_back("caller", *caller);
  if (callee.is(Kind::kUndefined)) return runtime_.undefined_error(callee);
  if (!callee.is(Kind::kCallable)) {
    return runtime_.fail(cat("'", type_name(callee), "' object is not callable"));
  }
  return callee.callable().call(runtime_, arguments);
}

Result<Value> Interpreter::expression(const Filter& node) {
  Value input;
  if (node.input) {
    WEFT_TRY(input, evaluate(*node.input));
  } else {
    WEFT_ASSERT(filtered_ != nullptr);
    input = *filtered_;
  }
  WEFT_TRY(const Arguments arguments, evaluate(node.arguments));
  return apply_filter(runtime_, *node.entry, input, arguments);
}

Result<Value> Interpreter::expression(const Test& node) {
  WEFT_TRY(const Value input, evaluate(*node.input));
  WEFT_TRY(const Arguments arguments, evaluate(node.arguments));
  WEFT_TRY(const bool holds, apply_test(runtime_, *node.entry, input, arguments));
  return Value::boolean(holds);
}

Result<Value> Interpreter::expression(const Unary& node) {
  WEFT_TRY(const Value operand, evaluate(*node.operand));
  if (node.op == UnaryOperator::kNot) return Value::boolean(!truthy(operand));
  return signed_value(runtime_, node.op == UnaryOperator::kNegate, operand);
}

Result<Value> Interpreter::expression(const Arithmetic& node) {
  WEFT_TRY(Value value, evaluate(*node.first));
  for (const auto& [op, operand_node] : node.rest) {
    WEFT_TRY(const Value operand, evaluate(*operand_node));
    WEFT_CHECK(runtime_.step());
    WEFT_TRY(value, arithmetic(runtime_, op, value, operand));
  }
  return value;
}

Result<Value> Interpreter::expression(const Concatenation& node) {
  std::string text;
  for (const auto& part : node.parts) {
    WEFT_TRY(const Value value, evaluate(*part));
    WEFT_TRY(const std::string piece, to_text(runtime_, value));
    WEFT_CHECK(runtime_.room(text.size() + piece.size()));
    text += piece;
  }
  return runtime_.string(std::move(text));
}

Result<Value> Interpreter::expression(const Compare& node) {
  WEFT_TRY(Value left, evaluate(*node.first));
  for (const auto& [op, operand] : node.rest) {
    WEFT_TRY(Value right, evaluate(*operand));
    WEFT_TRY(const bool holds, compare(runtime_, op, left, right));
    if (!holds) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Result<Value> Interpreter::expression(const Logic& node) {
  Value value;
  for (const auto& operand : node.operands) {
    WEFT_TRY(value, evaluate(*operand));
    if (truthy(value) == node.is_or) break;
  }
  return value;
}

Result<Value> Interpreter::expression(const Conditional& node) {
  WEFT_TRY(const Value condition, evaluate(*node.condition));
  if (truthy(condition)) return evaluate(*node.then);
  if (node.otherwise) return evaluate(*node.otherwise);
  return runtime_.undefined(
      "the inline if-expression evaluated to false and no else section was defined.");
}

}  // namespace weft::model::jinja
