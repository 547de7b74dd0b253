#include "model/pretokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/text.h"

namespace weft::model {
namespace {

// A published pattern needs a few thousand steps for the longest word; a match that reaches these
// is given up, and the character at hand becomes a word of its own.
constexpr uint32_t kMatchSteps = 10'000'000;
constexpr uint32_t kMatchHeapKib = 64 * 1024;

struct FreeMatch {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
using MatchData = std::unique_ptr<pcre2_match_data, FreeMatch>;
using MatchContext = std::unique_ptr<pcre2_match_context, FreeMatch>;

// Runs one pattern over one text after the other.
class Matcher {
 public:
  explicit Matcher(const pcre2_code* code)
      : code_(code),
        data_(pcre2_match_data_create_from_pattern(code, nullptr)),
        context_(pcre2_match_context_create(nullptr)) {
    WEFT_ASSERT(data_ && context_);
    pcre2_set_match_limit(context_.get(), kMatchSteps);
    pcre2_set_heap_limit(context_.get(), kMatchHeapKib);
  }

  // The first non-empty match at or after `from`: false if there is none.
  bool find(std::string_view text, size_t from, size_t& begin, size_t& end) {
    // The text is known to be UTF-8. The compiled form gives up on its small stack in rare cases;
    // the interpreter then takes over.
    uint32_t options = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
    int count = match(text, from, options);
    if (count < 0 && count != PCRE2_ERROR_NOMATCH) {
      count = match(text, from, options | PCRE2_NO_JIT);
    }
    if (count < 0 && count != PCRE2_ERROR_NOMATCH) {  // a limit: one character, then go on
      begin = from;
      end = from + 1;
      while (end < text.size() && (uint8_t(text[end]) & 0xC0) == 0x80) ++end;
      return true;
    }
    if (count < 0) return false;
    const size_t* offsets = pcre2_get_ovector_pointer(data_.get());
    begin = offsets[0];
    end = offsets[1];
    return true;
  }

 private:
  int match(std::string_view text, size_t from, uint32_t options) {
    return pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from, options,
                       data_.get(), context_.get());
  }

  const pcre2_code* code_;
  MatchData data_;
  MatchContext context_;
};

// Adds the matches of a pattern in `text`, and what lies between them, to `words`.
void split_by(Matcher& matcher, std::string_view text, std::vector<std::string_view>& words) {
  size_t at = 0;
  while (at < text.size()) {
    size_t begin = 0, end = 0;
    if (!matcher.find(text, at, begin, end)) break;
    if (begin > at) words.push_back(text.substr(at, begin - at));
    words.push_back(text.substr(begin, end - begin));
    at = end;
  }
  if (at < text.size()) words.push_back(text.substr(at));
}

}  // namespace

Result<Pretokenizer> Pretokenizer::make(std::string_view name) {
  std::string names;
  for (const PretokenizerFacts& facts : pretokenizer_table()) {
    names += cat(names.empty() ? "" : ", ", facts.name);
    if (facts.name != name) continue;
    Pretokenizer pretokenizer(facts);
    for (const std::string_view pattern : facts.patterns) {
      int error = 0;
      size_t position = 0;
      Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                              PCRE2_UTF | PCRE2_UCP, &error, &position, nullptr));
      WEFT_ASSERT(code != nullptr);  // the patterns are ours
      // Where the machine forbids code at run time this fails, and the interpreter is used.
      pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
      pretokenizer.codes_.push_back(std::move(code));
    }
    return pretokenizer;
  }
  return Error(ErrorCode::kUnsupported, cat("pre-tokenizer '", printable(name),
                                            "' is not supported (supported: ", names, ")"));
}

Pretokenizer::Pretokenizer(Pretokenizer&&) noexcept = default;
Pretokenizer& Pretokenizer::operator=(Pretokenizer&&) noexcept = default;
Pretokenizer::~Pretokenizer() = default;

void Pretokenizer::FreeCode::operator()(pcre2_real_code_8* code) const {
  pcre2_code_free(code);
}

std::vector<std::string_view> Pretokenizer::split(std::string_view text) const {
  std::vector<std::string_view> words;
  if (!text.empty()) words.push_back(text);
  for (const Code& code : codes_) {
    Matcher matcher(code.get());
    std::vector<std::string_view> finer;
    for (const std::string_view word : words) split_by(matcher, word, finer);
    words = std::move(finer);
  }
  return words;
}

}  // namespace weft::model
