// The parsed template. Immutable after parsing; shared by all renders.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "model/template/value.h"

namespace weft::model::jinja {

struct FilterEntry;  // filters.h
struct TestEntry;    // tests.h
struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;
struct Statement;
using Block = std::vector<std::unique_ptr<Statement>>;

struct CallArguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
};

struct Literal {
  Value value;
};
struct Name {
  std::string name;
};
struct ListLiteral {
  Flavor flavor;  // kList or kTuple
  std::vector<ExpressionPtr> items;
};
struct DictLiteral {
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> entries;
};
struct AttributeOf {
  ExpressionPtr object;
  std::string name;
};
struct ItemOf {
  ExpressionPtr object;
  ExpressionPtr key;
};
struct SliceOf {
  ExpressionPtr object;
  ExpressionPtr start, stop, step;  // null where left out
};
struct Call {
  ExpressionPtr callee;
  CallArguments arguments;
};
struct Filter {
  ExpressionPtr input;  // null: the content of the block that is filtered
  const FilterEntry* entry;
  CallArguments arguments;
};
struct Test {
  ExpressionPtr input;
  const TestEntry* entry;
  CallArguments arguments;
};
enum class UnaryOperator { kNot, kNegate, kPlus };
struct Unary {
  UnaryOperator op;
  ExpressionPtr operand;
};
// `first op a op b ...`, from left to right. One node for a whole run, so that a long sum is not a
// deep tree.
enum class BinaryOperator { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower };
struct Arithmetic {
  ExpressionPtr first;
  std::vector<std::pair<BinaryOperator, ExpressionPtr>> rest;
};
struct Concatenation {
  std::vector<ExpressionPtr> parts;
};
// `first op a op b`: every neighbouring pair must hold.
enum class Comparison {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn
};
struct Compare {
  ExpressionPtr first;
  std::vector<std::pair<Comparison, ExpressionPtr>> rest;
};
struct Logic {
  bool is_or;
  std::vector<ExpressionPtr> operands;
};
struct Conditional {
  ExpressionPtr condition;
  ExpressionPtr then;
  ExpressionPtr otherwise;  // null: undefined
};

struct Expression {
  uint32_t line;
  uint32_t depth;  // 1 + the deepest part's
  std::variant<Literal, Name, ListLiteral, DictLiteral, AttributeOf, ItemOf, SliceOf, Call, Filter,
               Test, Unary, Arithmetic, Concatenation, Compare, Logic, Conditional>
      node;
};

// What an assignment sets: a variable, a namespace's attribute, or several in parentheses or not.
struct Target {
  std::string name;
  std::string attribute;      // of namespace `name`; empty: the variable itself
  std::vector<Target> parts;  // unpacking, if not empty
};

struct Text {
  std::string text;
};
struct Print {
  ExpressionPtr value;
};
struct If {
  std::vector<std::pair<ExpressionPtr, Block>> branches;
  Block otherwise;
};
struct For {
  Target target;
  ExpressionPtr sequence;
  ExpressionPtr filter;  // null: none
  Block body;
  Block otherwise;
};
struct Set {
  Target target;
  ExpressionPtr value;
};
struct SetBlock {
  Target target;
  ExpressionPtr filter;  // null: none; else a chain whose innermost input is null
  Block body;
};
struct Parameter {
  std::string name;
  ExpressionPtr fallback;  // null: none
};
struct MacroDefinition {
  std::string name;
  std::vector<Parameter> parameters;
  Block body;
  bool uses_varargs = false;
  bool uses_kwargs = false;
  bool uses_caller = false;
};
struct CallBlock {
  ExpressionPtr call;  // a Call
  MacroDefinition caller;
};
struct FilterBlock {
  ExpressionPtr filter;  // as in SetBlock
  Block body;
};
struct With {
  std::vector<std::pair<Target, ExpressionPtr>> bindings;
  Block body;
};
// A block that only marks a region ({% generation %}).
struct Region {
  Block body;
};
struct Break {};
struct Continue {};

struct Statement {
  uint32_t line;
  std::variant<Text, Print, If, For, Set, SetBlock, MacroDefinition, CallBlock, FilterBlock, With,
               Region, Break, Continue>
      node;
};

}  // namespace weft::model::jinja
