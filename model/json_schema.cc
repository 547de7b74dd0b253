#include "model/json_schema.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "base/text.h"
#include "model/grammar.h"
#include "model/json_number.h"

namespace weft::model {
namespace {

using Json = nlohmann::ordered_json;

// JSON's own rules. Space is one blank or one line break with its indentation, so that an answer
// cannot go on with white space for ever.
constexpr std::pair<const char*, const char*> kJsonRules[] = {
    {"ws", R"((" " | "\n" [ \t]{0,16})?)"},
    {"char", R"([^"\\\x00-\x1F\x7F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4}))"},
    {"string", R"("\"" char* "\"")"},
    {"integer", R"("-"? ("0" | [1-9] [0-9]{0,15}))"},
    {"fraction", R"(("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,2})?)"},
    {"number", "integer fraction"},
    {"boolean", R"("true" | "false")"},
    {"null", R"("null")"},
    {"member", R"(string ":" ws value ws)"},
    {"object", R"("{" ws (member ("," ws member)*)? "}")"},
    {"array", R"("[" ws (value ws ("," ws value ws)*)? "]")"},
    {"value", "object | array | string | number | boolean | null"},
};
// Words that narrow nothing.
constexpr std::array<std::string_view, 14> kNotes = {
    "title",    "description", "default",     "examples",   "example",  "$schema",   "$id",
    "$comment", "$defs",       "definitions", "deprecated", "readOnly", "writeOnly", "strict"};
// Words that visit() reads, by the type they go with; "" for any.
constexpr std::pair<std::string_view, std::string_view> kWords[] = {
    {"type", ""},
    {"enum", ""},
    {"const", ""},
    {"anyOf", ""},
    {"oneOf", ""},
    {"allOf", ""},
    {"$ref", ""},
    {"nullable", ""},
    {"properties", "object"},
    {"required", "object"},
    {"additionalProperties", "object"},
    {"items", "array"},
    {"prefixItems", "array"},
    {"minItems", "array"},
    {"maxItems", "array"},
    {"minLength", "string"},
    {"maxLength", "string"},
    {"format", "string"},
    {"minimum", "number"},
    {"maximum", "number"},
    {"exclusiveMinimum", "number"},
    {"exclusiveMaximum", "number"}};

constexpr std::pair<std::string_view, std::string_view> kFormats[] = {
    {"date", R"([0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | [12] [0-9] | "3" [01]))"},
    {"time", R"(([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{1,6})?)"
             R"( ("Z" | [-+] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9]))"},
    {"uuid", R"([0-9a-f]{8} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{12})"},
    {"ipv4", ""}};

Error wrong(const std::string& where, std::string_view what) {
  return Error(ErrorCode::kInvalid, cat("JSON schema at ", printable(where, 200), ": ", what));
}

const Json* member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

Result<std::optional<uint32_t>> count_of(const Json& schema, const char* name,
                                         const std::string& where) {
  const Json* value = member(schema, name);
  if (!value) return std::optional<uint32_t>();
  if (!value->is_number_unsigned() || value->get<uint64_t>() > kGrammarRepeatMax) {
    return wrong(where, cat("'", name, "' must be a whole number from 0 to ", kGrammarRepeatMax));
  }
  return std::optional<uint32_t>(uint32_t(value->get<uint64_t>()));
}

Result<std::optional<int64_t>> bound_of(const Json& schema, const char* name,
                                        const std::string& where) {
  const Json* value = member(schema, name);
  if (!value) return std::optional<int64_t>();
  const double number = value->is_number() ? value->get<double>() : 0.5;
  if (number != double(int64_t(std::clamp<double>(number, -1e16, 1e16))) ||
      number > double(kIntegerMost) || number < -double(kIntegerMost)) {
    return wrong(where, cat("'", name, "' must be a whole number of at most 15 digits"));
  }
  return std::optional<int64_t>(int64_t(number));
}

std::string json_literal(const Json& value) {
  return grammar_literal(value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::string times(const std::string& item, uint32_t least, std::optional<uint32_t> most) {
  if (!most) return cat(item, "{", least, ",}");
  return cat(item, "{", least, ",", *most, "}");
}

Result<std::string> integer_rule(const Json& schema, bool whole, const std::string& where) {
  WEFT_TRY(std::optional<int64_t> low, bound_of(schema, "minimum", where));
  WEFT_TRY(std::optional<int64_t> high, bound_of(schema, "maximum", where));
  WEFT_TRY(const auto above, bound_of(schema, "exclusiveMinimum", where));
  WEFT_TRY(const auto below, bound_of(schema, "exclusiveMaximum", where));
  if (!whole) {
    if (!low && !high && !above && !below) return std::string("number");
    if (low == 0 && !high && !above && !below) {
      return std::string(R"((("0" | [1-9] [0-9]{0,15}) fraction))");
    }
    return wrong(where,
                 "of the bounds of a number only 'minimum': 0 is supported; those of an "
                 "integer are");
  }
  if (above) low = std::max(low.value_or(-kIntegerMost), std::min(*above + 1, kIntegerMost));
  if (below) high = std::min(high.value_or(kIntegerMost), std::max(*below - 1, -kIntegerMost));
  if (!low && !high) return std::string("integer");
  if (low.value_or(-kIntegerMost) > high.value_or(kIntegerMost)) {
    return wrong(where, "no integer is within its bounds");
  }
  return integers_between(low, high);
}

Result<> check_words(const Json& schema, const std::string& where) {
  for (auto entry = schema.begin(); entry != schema.end(); ++entry) {
    const std::string& word = entry.key();
    const bool known = std::find(kNotes.begin(), kNotes.end(), word) != kNotes.end() ||
                       std::any_of(std::begin(kWords), std::end(kWords),
                                   [&](const auto& row) { return row.first == word; });
    if (!known) return wrong(where, cat("'", printable(word), "' is not supported"));
  }
  return {};
}

// A choice stands for the whole schema: beside it nothing else may narrow the answer.
Result<> check_alone(const Json& schema, std::string_view choice, const std::string& where) {
  for (const auto& [word, type] : kWords) {
    if (word == choice || word == "type" || word == "nullable" || !schema.contains(word)) continue;
    return wrong(where, cat("'", word, "' beside '", choice, "' is not supported"));
  }
  return {};
}

// The types a schema without "type" speaks of.
std::vector<std::string> implied_types(const Json& schema) {
  std::vector<std::string> types;
  for (const auto& [word, type] : kWords) {
    if (type.empty() || !schema.contains(word)) continue;
    if (std::find(types.begin(), types.end(), type) == types.end()) types.emplace_back(type);
  }
  return types;
}

}  // namespace

std::string grammar_literal(std::string_view text) {
  std::string literal = "\"";
  for (const char c : utf8_sanitize(text)) {
    if (c == '"' || c == '\\') {
      literal += cat("\\", c);
    } else if (uint8_t(c) < 0x20) {
      constexpr char kHex[] = "0123456789ABCDEF";
      literal += cat("\\x", kHex[uint8_t(c) >> 4], kHex[c & 15]);
    } else {
      literal += c;
    }
  }
  return literal + "\"";
}

SchemaGrammar::SchemaGrammar() {
  for (const auto& [name, body] : kJsonRules) rules_[name] = body;
}

std::string SchemaGrammar::text(std::string_view root) const {
  std::string text = cat("root ::= ", root, "\n");
  for (const auto& [name, body] : rules_) text += cat(name, " ::= ", body, "\n");
  return text;
}

std::string SchemaGrammar::new_rule(const std::string& body) {
  std::string name = cat("r", rules_.size());
  bytes_ += body.size();
  rules_[name] = body;
  return name;
}

Result<std::string> SchemaGrammar::add(const Json& schema) {
  document_ = &schema;
  known_.clear();
  return visit(schema, "#", 0);
}

Result<std::string> SchemaGrammar::visit(const Json& schema, const std::string& where,
                                         size_t depth) {
  if (depth > kSchemaDepthMax) return wrong(where, "nested too deep");
  if (bytes_ > kGrammarBytesMax) return wrong(where, "the schema is too large");
  if (schema.is_boolean() && schema.get<bool>()) return std::string("value");
  if (!schema.is_object()) return wrong(where, "must be an object (or true)");
  WEFT_CHECK(check_words(schema, where));
  for (const std::string_view choice : {"$ref", "const", "enum", "anyOf", "oneOf"}) {
    if (!schema.contains(choice)) continue;
    WEFT_CHECK(check_alone(schema, choice, where));
    break;
  }
  if (schema.contains("$ref")) return reference(schema, where, depth);
  if (const Json* value = member(schema, "const")) return json_literal(*value);
  if (const Json* values = member(schema, "enum")) {
    if (!values->is_array() || values->empty()) return wrong(where, "'enum' must list values");
    std::string body;
    for (const Json& value : *values) body += (body.empty() ? "" : " | ") + json_literal(value);
    return new_rule(body);
  }
  if (const Json* choices = member(schema, "anyOf"))
    return any_of(*choices, where + "/anyOf", depth);
  if (const Json* choices = member(schema, "oneOf"))
    return any_of(*choices, where + "/oneOf", depth);
  if (schema.contains("allOf")) return all_of(schema, where, depth);

  std::vector<std::string> types;
  if (const Json* type = member(schema, "type")) {
    if (type->is_string()) types = {type->get<std::string>()};
    for (const Json& one : type->is_array() ? *type : Json::array()) {
      if (!one.is_string()) return wrong(where, "'type' must be a text or a list of texts");
      types.push_back(one.get<std::string>());
    }
    if (types.empty()) return wrong(where, "'type' must be a text or a list of texts");
  } else {
    types = implied_types(schema);
    if (types.empty()) return std::string("value");
  }
  if (const Json* null = member(schema, "nullable"); null && *null == true) types.push_back("null");
  std::string body;
  for (const std::string& type : types) {
    WEFT_TRY(const std::string one, visit_type(schema, type, where, depth));
    body += (body.empty() ? "" : " | ") + one;
  }
  return types.size() == 1 ? body : new_rule(body);
}

Result<std::string> SchemaGrammar::visit_type(const Json& schema, std::string_view type,
                                              const std::string& where, size_t depth) {
  if (type == "object") return object_rule(schema, where, depth);
  if (type == "array") return array_rule(schema, where, depth);
  if (type == "string") return string_rule(schema, where);
  if (type == "integer" || type == "number") return integer_rule(schema, type == "integer", where);
  if (type == "boolean" || type == "null") return std::string(type);
  return wrong(where, cat("there is no type '", printable(type), "'"));
}

// Each reference is a rule of its own, so that schemas may name themselves.
Result<std::string> SchemaGrammar::reference(const Json& schema, const std::string& where,
                                             size_t depth) {
  const Json& target = schema["$ref"];
  if (!target.is_string() || !target.get_ref<const std::string&>().starts_with("#")) {
    return wrong(where, "'$ref' must point into the same schema, as in \"#/$defs/name\"");
  }
  const auto path = target.get<std::string>();
  if (const auto known = known_.find(path); known != known_.end()) return known->second;
  const Json* found = document_;
  const auto parts = split(path.substr(1), '/');
  for (size_t i = 1; i < parts.size(); ++i) {
    std::string key = parts[i];
    for (size_t at = key.find('~'); at != std::string::npos; at = key.find('~', at + 1)) {
      if (key.compare(at, 2, "~1") == 0) key.replace(at, 2, "/");
      if (key.compare(at, 2, "~0") == 0) key.replace(at, 2, "~");
    }
    found = found->is_object() ? member(*found, key.c_str()) : nullptr;
    if (!found) return wrong(where, cat("there is no '", printable(path), "'"));
  }
  const std::string rule = new_rule("");
  known_[path] = rule;
  WEFT_TRY(const std::string body, visit(*found, path, depth + 1));
  bytes_ += body.size();
  rules_[rule] = body;
  return rule;
}

Result<std::string> SchemaGrammar::any_of(const Json& choices, const std::string& where,
                                          size_t depth) {
  if (!choices.is_array() || choices.empty()) return wrong(where, "must list schemas");
  std::string body;
  for (size_t i = 0; i < choices.size(); ++i) {
    WEFT_TRY(const std::string one, visit(choices[i], cat(where, "/", i), depth + 1));
    body += (body.empty() ? "" : " | ") + one;
  }
  return new_rule(body);
}

// One schema is itself; several objects are one with the properties of all.
Result<std::string> SchemaGrammar::all_of(const Json& schema, const std::string& where,
                                          size_t depth) {
  const Json& parts = schema["allOf"];
  if (!parts.is_array() || parts.empty()) return wrong(where, "'allOf' must list schemas");
  if (parts.size() == 1 && implied_types(schema).empty()) {
    return visit(parts[0], where + "/allOf/0", depth + 1);
  }
  Json merged = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}};
  std::vector<const Json*> all = {&schema};
  for (const Json& part : parts) all.push_back(&part);
  for (const Json* part : all) {
    const Json* type = part->is_object() ? member(*part, "type") : nullptr;
    if (!part->is_object() || (type && *type != "object") || part->contains("$ref") ||
        part->contains("anyOf") || part->contains("additionalProperties")) {
      return wrong(where, "'allOf' takes one schema, or several plain objects");
    }
    WEFT_CHECK(check_words(*part, where));
    if (const Json* properties = member(*part, "properties");
        properties && properties->is_object()) {
      merged["properties"].update(*properties);
    }
    if (const Json* required = member(*part, "required"); required && required->is_array()) {
      for (const Json& name : *required) merged["required"].push_back(name);
    }
  }
  return visit(merged, where, depth + 1);
}

Result<std::string> SchemaGrammar::string_rule(const Json& schema, const std::string& where) {
  if (const Json* format = member(schema, "format"); format && format->is_string()) {
    const auto body = [](std::string_view name) {
      const auto* row = std::find_if(std::begin(kFormats), std::end(kFormats),
                                     [&](const auto& one) { return one.first == name; });
      return row == std::end(kFormats) ? std::string() : std::string(row->second);
    };
    const auto name = format->get<std::string>();
    std::string text = body(name);
    if (name == "date-time") text = cat(body("date"), " \"T\" ", body("time"));
    if (name == "ipv4") {
      const std::string byte = integers_between(0, 255);
      text = cat(byte, " \".\" ", byte, " \".\" ", byte, " \".\" ", byte);
    }
    if (!text.empty()) return new_rule(cat("\"\\\"\" ", text, " \"\\\"\""));
  }
  WEFT_TRY(const auto least, count_of(schema, "minLength", where));
  WEFT_TRY(const auto most, count_of(schema, "maxLength", where));
  if (!least && !most) return std::string("string");
  if (most && least.value_or(0) > *most) return wrong(where, "minLength is more than maxLength");
  return new_rule(cat("\"\\\"\" ", times("char", least.value_or(0), most), " \"\\\"\""));
}

// A key that is none of the properties: it leaves the tree of their names at some character.
std::string SchemaGrammar::other_key(const Json& properties) {
  std::vector<std::string> names;
  for (const auto& [name, value] : properties.items()) names.push_back(name);
  std::sort(names.begin(), names.end());
  // Bytes may be cut only between characters; names beyond ASCII keep the whole key's first one.
  struct Writer {
    SchemaGrammar& grammar;
    std::string rest(const std::vector<std::string>& under, size_t at) {
      std::map<char, std::vector<std::string>> next;
      bool ends = false;
      for (const std::string& name : under) {
        if (name.size() == at) {
          ends = true;
        } else {
          next[name[at]].push_back(name);
        }
      }
      std::string others, body;
      for (const auto& [c, with] : next) {
        if (uint8_t(c) >= 0x80 || uint8_t(c) < 0x20 || c == '"' || c == '\\') continue;
        others += c == ']' || c == '-' || c == '^' || c == '[' ? cat("\\", c) : std::string(1, c);
        body += cat(" | ", grammar_literal({&c, 1}), " ", rest(with, at + 1));
      }
      const bool beyond = std::any_of(next.begin(), next.end(),
                                      [](const auto& e) { return uint8_t(e.first) >= 0x80; });
      const std::string kept = beyond ? "\\x80-\\U0010FFFF" : "";
      body = cat("[^\"\\\\\\x00-\\x1F\\x7F", others, kept, "] plain*", body);
      if (!ends && at > 0) body += " | \"\"";
      return grammar.new_rule(body);
    }
  };
  rules_["plain"] = R"([^"\\\x00-\x1F\x7F])";
  return cat("\"\\\"\" ", Writer{*this}.rest(names, 0), " \"\\\"\"");
}

Result<std::string> SchemaGrammar::object_rule(const Json& schema, const std::string& where,
                                               size_t depth) {
  const Json none = Json::object();
  const Json* properties = member(schema, "properties");
  const Json* others = member(schema, "additionalProperties");
  const Json* required = member(schema, "required");
  if (!properties && !others && !required) return std::string("object");
  if (!properties) properties = &none;
  if (!properties->is_object()) return wrong(where, "'properties' must be an object");
  if (required && !required->is_array()) return wrong(where, "'required' must be a list");
  for (const Json& name : required ? *required : Json::array()) {
    if (!name.is_string() || !properties->contains(name.get<std::string>())) {
      return wrong(where, cat("'required' names ", printable(name.dump(-1, ' ', true)),
                              ", which 'properties' lacks"));
    }
  }
  // From the last to the first: what may follow once a member has been written, and before.
  std::string after, before;
  if (others ? *others != false : properties->empty()) {
    std::string value = "value";
    if (others && !others->is_boolean()) {
      WEFT_TRY(value, visit(*others, where + "/additionalProperties", depth + 1));
    }
    const std::string key = properties->empty() ? "string" : other_key(*properties);
    const std::string one = new_rule(cat(key, " \":\" ws (", value, ") ws"));
    after = new_rule(cat("(\",\" ws ", one, ")*"));
    before = new_rule(cat("(", one, " ", after, ")?"));
  }
  for (auto entry = properties->rbegin(); entry != properties->rend(); ++entry) {
    const std::string& name = entry.key();
    WEFT_TRY(const std::string value,
             visit(entry.value(), cat(where, "/properties/", name), depth + 1));
    const bool needed =
        required && std::find(required->begin(), required->end(), Json(name)) != required->end();
    const std::string one = new_rule(cat(json_literal(name), " \":\" ws (", value, ") ws"));
    const std::string or_after = needed ? "" : cat(" | ", after.empty() ? "\"\"" : after);
    const std::string or_before = needed ? "" : cat(" | ", before.empty() ? "\"\"" : before);
    before = new_rule(cat(one, " ", after, or_before));
    after = new_rule(cat("\",\" ws ", one, " ", after, or_after));
  }
  return new_rule(cat("\"{\" ws ", before, " \"}\""));
}

Result<std::string> SchemaGrammar::array_rule(const Json& schema, const std::string& where,
                                              size_t depth) {
  WEFT_TRY(const auto least, count_of(schema, "minItems", where));
  WEFT_TRY(const auto most, count_of(schema, "maxItems", where));
  std::string item = "value";
  const Json* items = member(schema, "items");
  const bool closed = items && items->is_boolean() && !items->get<bool>();
  if (items && !closed) {
    WEFT_TRY(item, visit(*items, where + "/items", depth + 1));
  }
  const std::string one = new_rule(cat("(", item, ") ws"));
  if (const Json* first = member(schema, "prefixItems")) {
    if (!first->is_array() || first->empty())
      return wrong(where, "'prefixItems' must list schemas");
    std::string body;
    for (size_t i = 0; i < first->size(); ++i) {
      WEFT_TRY(const std::string value,
               visit((*first)[i], cat(where, "/prefixItems/", i), depth + 1));
      body += cat(i > 0 ? " \",\" ws " : "", "(", value, ") ws");
    }
    const auto given = uint32_t(first->size());
    if (most.value_or(given) < given || (closed && least.value_or(0) > given)) {
      return wrong(where, "its bounds leave no room for 'prefixItems'");
    }
    // Without "items" the list ends with those that are named.
    if (items && !closed) {
      const uint32_t more = least.value_or(0) > given ? *least - given : 0;
      const auto room = most ? std::optional<uint32_t>(*most - given) : std::nullopt;
      body += " " + times(cat("(\",\" ws ", one, ")"), more, room);
    }
    return new_rule(cat("\"[\" ws ", body, " \"]\""));
  }
  if (most && least.value_or(0) > *most) return wrong(where, "minItems is more than maxItems");
  if (closed || most == 0u) return std::string(R"("[" ws "]")");
  const uint32_t more = least.value_or(0) > 0 ? *least - 1 : 0;
  const auto room = most ? std::optional<uint32_t>(*most - 1) : std::nullopt;
  const std::string list = cat(one, " ", times(cat("(\",\" ws ", one, ")"), more, room));
  return new_rule(cat("\"[\" ws (", list, least.value_or(0) > 0 ? ")" : ")?", " \"]\""));
}

Result<std::string> json_schema_grammar(const Json& schema) {
  SchemaGrammar grammar;
  WEFT_TRY(const std::string root, grammar.add(schema));
  std::string text = grammar.text(root);
  if (text.size() > kGrammarBytesMax) {
    return Error(ErrorCode::kInvalid, cat("JSON schema: its grammar has ", text.size(),
                                          " bytes; it may have ", kGrammarBytesMax));
  }
  WEFT_CHECK(Grammar::parse(text));
  return text;
}

std::string json_object_grammar() {
  const SchemaGrammar grammar;
  return grammar.text(grammar.any_object());
}

}  // namespace weft::model
