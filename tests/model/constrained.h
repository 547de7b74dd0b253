// A constraint over the small vocabulary, and texts that follow it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/random.h"
#include "model/constraint.h"
#include "tests/model/small_model.h"
#include "tests/support/support.h"

namespace weft::model {

inline Tokenizer small_tokenizer() {
  const test::TemporaryFolder folder;
  SmallModel().write(folder / "m.gguf");
  const auto file = GgufFile::open(folder / "m.gguf");
  WEFT_ASSERT(file.ok());
  auto tokenizer = Tokenizer::from_gguf(*file);
  WEFT_ASSERT(tokenizer.ok());
  return *std::move(tokenizer);
}

struct Constrained {
  Tokenizer tokenizer = small_tokenizer();
  std::shared_ptr<const TokenTrie> trie = std::make_shared<const TokenTrie>(tokenizer);
  std::unique_ptr<Constraint> constraint;

  explicit Constrained(const std::string& text) {
    auto grammar = Grammar::parse(text);
    if (!grammar.ok())
      std::fprintf(stderr, "%s\n%s\n", grammar.error().message.c_str(), text.c_str());
    WEFT_ASSERT(grammar.ok());
    auto made = Constraint::make(*std::move(grammar), trie);
    WEFT_ASSERT(made.ok());
    constraint = *std::move(made);
  }

  // Whether the constraint takes the text, byte by byte, to its end.
  bool takes(const std::string& text) {
    Constraint::Cursor cursor;
    for (const char c : text) {
      const auto token = tokenizer.find(to_byte_alphabet({&c, 1}));
      if (!constraint->advance(cursor, *token).ok()) return false;
    }
    const auto complete = constraint->complete(cursor);
    return complete.ok() && *complete;
  }
  // A text drawn at random; nothing if it has no end within `tokens_max`.
  std::optional<std::string> draw(Random& random, size_t tokens_max) {
    Constraint::Cursor cursor;
    std::string text;
    for (size_t i = 0; i < tokens_max; ++i) {
      const auto allowed = constraint->allowed(cursor);
      WEFT_ASSERT(allowed.ok());
      const size_t wanted = random.next() % (*allowed)->size();
      TokenId chosen = kNoToken;
      size_t at = 0;
      (*allowed)->each([&](TokenId token) { chosen = at++ == wanted ? token : chosen; });
      // Ends as soon as it may, half the time.
      if ((*allowed)->contains(263) && random.next() % 2 == 0) return text;
      if (tokenizer.is_control(chosen) && chosen != 261) return text;
      WEFT_ASSERT(constraint->advance(cursor, chosen).ok());
      text += tokenizer.piece(chosen);
    }
    return std::nullopt;
  }
};

}  // namespace weft::model
