// JSON schemas as grammars: an answer that follows the grammar is JSON that the schema accepts.
// Source: JSON Schema, draft 2020-12; RFC 8259 for JSON itself.
//
// Taken: type (also several), enum, const, properties, required, additionalProperties, items,
// prefixItems, minItems, maxItems, minLength, maxLength, minimum and maximum (and their exclusive
// forms) of integers, minimum 0 of numbers, anyOf, oneOf (as anyOf), allOf (of objects, or of one),
// $ref into the schema itself (recursion too), format date, time, date-time, uuid and ipv4.
// Titles, descriptions, defaults, examples and other formats change nothing. All else that would
// narrow the answer (pattern, not, multipleOf, uniqueItems, if, ...) is refused by name.
//
// Properties come in the schema's order; where additionalProperties is not said, an object with
// properties has no others.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace weft::model {

inline constexpr size_t kSchemaDepthMax = 48;

// `text` as a literal of a grammar, in quotes.
std::string grammar_literal(std::string_view text);

// Writes the rules of one grammar, of several schemas if need be.
class SchemaGrammar {
 public:
  SchemaGrammar();
  // Adds a schema; gives what names it in a rule. kInvalid says where in the schema, and what.
  Result<std::string> add(const nlohmann::ordered_json& schema);
  // Any JSON object.
  std::string any_object() const { return "object"; }
  // The grammar whose root is this.
  std::string text(std::string_view root) const;

 private:
  using Json = nlohmann::ordered_json;
  Result<std::string> visit(const Json& schema, const std::string& where, size_t depth);
  Result<std::string> visit_type(const Json& schema, std::string_view type,
                                 const std::string& where, size_t depth);
  Result<std::string> reference(const Json& schema, const std::string& where, size_t depth);
  Result<std::string> any_of(const Json& choices, const std::string& where, size_t depth);
  Result<std::string> all_of(const Json& schema, const std::string& where, size_t depth);
  Result<std::string> string_rule(const Json& schema, const std::string& where);
  Result<std::string> object_rule(const Json& schema, const std::string& where, size_t depth);
  Result<std::string> array_rule(const Json& schema, const std::string& where, size_t depth);
  std::string other_key(const Json& properties);
  std::string new_rule(const std::string& body);

  const Json* document_ = nullptr;            // that $ref points into
  std::map<std::string, std::string> known_;  // of this document: references, their rules
  std::map<std::string, std::string> rules_;
  size_t bytes_ = 0;  // of the rules
};

// The grammar of a schema's JSON, and of any JSON object.
Result<std::string> json_schema_grammar(const nlohmann::ordered_json& schema);
std::string json_object_grammar();

}  // namespace weft::model
