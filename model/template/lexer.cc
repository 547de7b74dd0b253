#include "model/template/lexer.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "model/template/unicode.h"

namespace weft::model::jinja {
namespace {

constexpr std::array<std::string_view, 6> kLongOperators = {"//", "**", "==", "!=", ">=", "<="};
constexpr std::string_view kShortOperators = "+-/*%~[](){}><=.:|,;";

bool is_decimal(char c) { return c >= '0' && c <= '9'; }
bool starts_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (uint8_t(c) & 0x80);
}

// \r\n and \r become \n, and one newline at the very end goes.
std::string normalize(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
    } else {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

int hex_digit(char c) {
  if (is_decimal(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  Result<std::vector<Token>> run() {
    while (at_ < source_.size()) {
      WEFT_CHECK(text_and_tag());
    }
    add(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return source_.substr(at_); }
  bool looking_at(std::string_view text) const { return rest().starts_with(text); }
  void add(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }

  Error fail(std::string_view what) const {
    return Error(ErrorCode::kInvalid, cat("template line ", line_, ": ", what));
  }

  void advance(size_t bytes) {
    const auto begin = source_.begin() + ptrdiff_t(at_);
    line_ += uint32_t(std::count(begin, begin + ptrdiff_t(bytes), '\n'));
    at_ += bytes;
  }

  void skip_space() { advance(rest().size() - strip(rest(), Side::kLeft).size()); }

  size_t find_tag() const {
    for (size_t at = source_.find('{', at_); at != std::string_view::npos;
         at = source_.find('{', at + 1)) {
      if (at + 1 >= source_.size()) break;
      const char next = source_[at + 1];
      if (next == '{' || next == '%' || next == '#') return at;
    }
    return std::string_view::npos;
  }

  // The text up to `tag`, less what the tag's sign and lstrip_blocks take from its end.
  std::string_view text_before(size_t tag, bool print) const {
    std::string_view text = source_.substr(at_, tag - at_);
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    if (sign == '-') return strip(text, Side::kRight);
    if (sign == '+' || print) return text;
    const size_t newline = text.rfind('\n');
    const bool whole_line = newline != std::string_view::npos || at_line_start_;
    const size_t start = newline == std::string_view::npos ? 0 : newline + 1;
    if (whole_line && strip(text.substr(start), Side::kBoth).empty()) return text.substr(0, start);
    return text;
  }

  Result<> text_and_tag() {
    const size_t tag = find_tag();
    if (tag == std::string_view::npos) {
      add(TokenKind::kText, std::string(rest()));
      advance(rest().size());
      return {};
    }
    const char type = source_[tag + 1];
    const std::string_view text = text_before(tag, type == '{');
    if (!text.empty()) add(TokenKind::kText, std::string(text));
    advance(tag - at_);
    if (type == '#') return comment();
    if (type == '%' && raw_begins()) return raw();
    add(type == '{' ? TokenKind::kPrintBegin : TokenKind::kBlockBegin, "");
    advance(2);
    if (looking_at("-") || looking_at("+")) advance(1);
    return code(type == '{' ? "}}" : "%}", type == '{');
  }

  // Behind a tag's end: -%} eats all white space, a block's plain end one newline.
  void tag_ends(char sign, bool print) {
    at_line_start_ = false;
    const size_t before = at_;
    if (sign == '-') {
      skip_space();
    } else if (!print && sign != '+' && looking_at("\n")) {
      advance(1);
    }
    at_line_start_ = at_ > before && source_[at_ - 1] == '\n';
  }

  Result<> comment() {
    const bool signed_begin = source_.substr(at_ + 2).starts_with("-") ||
                              source_.substr(at_ + 2).starts_with("+");
    const size_t begin = at_ + (signed_begin ? 3 : 2);
    const size_t end = source_.find("#}", begin);
    if (end == std::string_view::npos) return fail("this comment has no end; close it with #}");
    const char sign = end > begin ? source_[end - 1] : '\0';
    advance(end + 2 - at_);
    tag_ends(sign, false);
    return {};
  }

  // `{% word %}` at `at`, signs allowed: its size, 0 if it is something else.
  size_t word_tag(size_t at, std::string_view word) const {
    std::string_view text = source_.substr(at);
    if (!text.starts_with("{%")) return 0;
    text.remove_prefix(2);
    if (text.starts_with("-") || text.starts_with("+")) text.remove_prefix(1);
    text = strip(text, Side::kLeft);
    if (!text.starts_with(word)) return 0;
    text = strip(text.substr(word.size()), Side::kLeft);
    if (text.starts_with("-") || text.starts_with("+")) text.remove_prefix(1);
    return text.starts_with("%}") ? source_.size() - at - text.size() + 2 : 0;
  }

  bool raw_begins() const { return word_tag(at_, "raw") != 0; }

  Result<> raw() {
    const size_t opening = word_tag(at_, "raw");
    const char sign = source_[at_ + opening - 3];
    advance(opening);
    if (sign == '-') skip_space();
    at_line_start_ = source_[at_ - 1] == '\n';
    for (size_t at = source_.find("{%", at_); at != std::string_view::npos;
         at = source_.find("{%", at + 2)) {
      const size_t closing = word_tag(at, "endraw");
      if (closing == 0) continue;
      add(TokenKind::kText, std::string(text_before(at, false)));
      const char end_sign = source_[at + closing - 3];
      advance(at + closing - at_);
      tag_ends(end_sign, false);
      return {};
    }
    return fail("this raw block has no end; close it with {% endraw %}");
  }

  Result<> code(std::string_view end, bool print) {
    std::vector<char> open;
    while (true) {
      skip_space();
      if (at_ >= source_.size()) {
        return fail(cat("this tag has no end; close it with ", end));
      }
      if (open.empty()) {
        const bool sign = looking_at("-") || (looking_at("+") && !print);
        if (rest().substr(sign ? 1 : 0).starts_with(end)) {
          const char sign_char = sign ? source_[at_] : '\0';
          add(print ? TokenKind::kPrintEnd : TokenKind::kBlockEnd, "");
          advance(end.size() + (sign ? 1 : 0));
          tag_ends(sign_char, print);
          return {};
        }
      }
      const char c = source_[at_];
      if (is_decimal(c)) {
        number();
      } else if (starts_name(c)) {
        name();
      } else if (c == '"' || c == '\'') {
        WEFT_CHECK(string());
      } else {
        WEFT_CHECK(operation(open));
      }
    }
  }

  void name() {
    size_t end = at_;
    while (end < source_.size() && (starts_name(source_[end]) || is_decimal(source_[end]))) ++end;
    add(TokenKind::kName, std::string(source_.substr(at_, end - at_)));
    advance(end - at_);
  }

  // Appends digits of `base` (and drops their _) from `end` on.
  void digits(size_t& end, int base, std::string& out) const {
    while (end < source_.size()) {
      const int digit = hex_digit(source_[end]);
      const bool is_digit = digit >= 0 && digit < base;
      if (!is_digit && source_[end] != '_') break;
      if (is_digit) out += source_[end];
      ++end;
    }
  }

  void number() {
    std::string text;
    size_t end = at_;
    const char mark = at_ + 1 < source_.size() ? char(source_[at_ + 1] | 0x20) : '\0';
    if (source_[at_] == '0' && (mark == 'x' || mark == 'o' || mark == 'b')) {
      text = std::string("0") + mark;
      end += 2;
      digits(end, mark == 'x' ? 16 : mark == 'o' ? 8 : 2, text);
      add(TokenKind::kInteger, text);
      advance(end - at_);
      return;
    }
    bool real = false;
    digits(end, 10, text);
    const bool after_dot = !tokens_.empty() && tokens_.back().is_operator(".");
    if (!after_dot && end + 1 < source_.size() && source_[end] == '.' &&
        is_decimal(source_[end + 1])) {
      real = true;
      text += '.';
      digits(++end, 10, text);
    }
    if (!after_dot && end < source_.size() && (source_[end] | 0x20) == 'e') {
      size_t exponent = end + 1;
      std::string sign;
      if (exponent < source_.size() && (source_[exponent] == '-' || source_[exponent] == '+')) {
        if (source_[exponent] == '-') sign = "-";
        ++exponent;
      }
      if (exponent < source_.size() && is_decimal(source_[exponent])) {
        real = true;
        text += "e" + sign;
        end = exponent;
        digits(end, 10, text);
      }
    }
    add(real ? TokenKind::kFloat : TokenKind::kInteger, text);
    advance(end - at_);
  }

  Result<> string() {
    const char quote = source_[at_];
    std::string value;
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) {
      if (source_[end] != '\\') {
        value += source_[end++];
      } else if (end + 1 >= source_.size() || !escape(end, value)) {
        return fail("a string has a \\ that starts no escape sequence");
      }
    }
    if (end >= source_.size()) return fail(cat("a string has no end; close it with ", quote));
    add(TokenKind::kString, std::move(value));
    advance(end + 1 - at_);
    return {};
  }

  // Resolves the escape at `end` (a backslash with something behind it), as Python's literals do;
  // an unknown one stays as it is.
  bool escape(size_t& end, std::string& value) const {
    static constexpr std::string_view kLetters = "abfnrtv\\'\"";
    static constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
    const char letter = source_[end + 1];
    end += 2;
    if (const size_t known = kLetters.find(letter); known != std::string_view::npos) {
      value += kMeanings[known];
      return true;
    }
    if (letter == '\n') return true;
    if (letter >= '0' && letter <= '7') {
      char32_t code_point = char32_t(letter - '0');
      for (int i = 0; i < 2 && end < source_.size() && source_[end] >= '0' && source_[end] <= '7';
           ++i) {
        code_point = code_point * 8 + char32_t(source_[end++] - '0');
      }
      append_code_point(value, code_point);
      return true;
    }
    const int length = letter == 'x' ? 2 : letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
    if (length == 0) {
      value += '\\';
      value += letter;
      return true;
    }
    char32_t code_point = 0;
    for (int i = 0; i < length; ++i, ++end) {
      const int digit = end < source_.size() ? hex_digit(source_[end]) : -1;
      if (digit < 0) return false;
      code_point = code_point * 16 + char32_t(digit);
    }
    append_code_point(value, code_point);
    return true;
  }

  Result<> operation(std::vector<char>& open) {
    for (const std::string_view op : kLongOperators) {
      if (!looking_at(op)) continue;
      add(TokenKind::kOperator, std::string(op));
      advance(op.size());
      return {};
    }
    const char c = source_[at_];
    if (kShortOperators.find(c) == std::string_view::npos) {
      return fail(cat("unexpected character '", printable(std::string_view(&c, 1)), "'"));
    }
    if (c == '(' || c == '[' || c == '{') open.push_back(c);
    if (c == ')' || c == ']' || c == '}') {
      const char opener = c == ')' ? '(' : c == ']' ? '[' : '{';
      if (open.empty() || open.back() != opener) return fail(cat("unexpected '", c, "'"));
      open.pop_back();
    }
    add(TokenKind::kOperator, std::string(1, c));
    advance(1);
    return {};
  }

  std::string_view source_;
  size_t at_ = 0;
  uint32_t line_ = 1;
  bool at_line_start_ = true;  // nothing but a newline (or nothing) lies before `at_`
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view source) {
  if (!is_utf8(source)) return Error(ErrorCode::kInvalid, "the template is not UTF-8 text");
  const std::string normalized = normalize(source);
  return Lexer(normalized).run();
}

}  // namespace weft::model::jinja
