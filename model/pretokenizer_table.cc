// The patterns, as they were published with each tokenizer (its tokenizer.json), and the names that
// tokenizer.ggml.pre gives them. A pattern is written for one search after the other: each cuts
// what the ones before it left.
#include "model/pretokenizer.h"

namespace weft::model {
namespace {

// The English contractions, in any case. Source: OpenAI, tiktoken, cl100k_base.
#define WEFT_CONTRACTIONS R"((?i:'s|'t|'re|'ve|'m|'ll|'d))"
// White space as most of them end: what ends in line breaks, what stands before a word, the rest.
#define WEFT_SPACES R"(\s*[\r\n]+|\s+(?!\S)|\s+)"
#define WEFT_UPPER R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])"
#define WEFT_LOWER R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])"
// Chinese characters, hiragana and katakana.
#define WEFT_KANA R"([\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)"

// GPT-2's own (Radford et al. 2019).
constexpr std::string_view kGpt2[] = {
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"};
// What files mean that name none: punctuation, GPT-2's words, digits by threes.
constexpr std::string_view kDefault[] = {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2[0], R"(\p{N}+)",
                                         R"([0-9][0-9][0-9])"};
constexpr std::string_view kFalcon[] = {R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2[0], R"([0-9][0-9][0-9])"};
// Every digit alone, then GPT-2's pattern on what is left.
constexpr std::string_view kDigitsFirst[] = {R"(\p{N})", kGpt2[0]};

constexpr std::string_view kLlama3[] = {
    WEFT_CONTRACTIONS
    R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)" WEFT_SPACES};
constexpr std::string_view kQwen2[] = {
    WEFT_CONTRACTIONS R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)" WEFT_SPACES};
constexpr std::string_view kQwen35[] = {
    WEFT_CONTRACTIONS
    R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|)" WEFT_SPACES};
constexpr std::string_view kUfakzeka[] = {
    R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)" WEFT_SPACES};
constexpr std::string_view kJais2[] = {
    WEFT_CONTRACTIONS
    R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|)"
    R"(\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|)"
    R"(\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})"};
constexpr std::string_view kMiniCpm5[] = {
    R"(\p{N}{1,3})",
    WEFT_CONTRACTIONS R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|)" WEFT_SPACES};
constexpr std::string_view kLaguna[] = {R"([^\n]+|[\n]+)", kQwen2[0]};
constexpr std::string_view kSeedCoder[] = {
    WEFT_CONTRACTIONS R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|)" WEFT_SPACES};
constexpr std::string_view kBailing[] = {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}|)"
                                         R"( ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)"};
constexpr std::string_view kExaoneMoe[] = {
    WEFT_CONTRACTIONS R"(|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}|)"
                      R"( ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)"};

// Words part where case rises. Source: OpenAI, tiktoken, o200k_base.
constexpr std::string_view kGpt4o[] = {
    R"([^\r\n\p{L}\p{N}]?)" WEFT_UPPER "*" WEFT_LOWER "+" WEFT_CONTRACTIONS
    "?|"
    R"([^\r\n\p{L}\p{N}]?)" WEFT_UPPER "+" WEFT_LOWER "*" WEFT_CONTRACTIONS
    "?|"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|)" WEFT_SPACES};
constexpr std::string_view kTekken[] = {R"([^\r\n\p{L}\p{N}]?)" WEFT_UPPER "*" WEFT_LOWER
                                        "+|"
                                        R"([^\r\n\p{L}\p{N}]?)" WEFT_UPPER "+" WEFT_LOWER
                                        "*|"
                                        R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|)" WEFT_SPACES};
// The same without Chinese characters, whose runs are words of their own.
#define WEFT_NOT_HAN(set) R"((?:(?!\p{Han}))" set ")"
constexpr std::string_view kKimiK2[] = {
    R"(\p{Han}+|)"
    R"([^\r\n\p{L}\p{N}]?)" WEFT_NOT_HAN(WEFT_UPPER) "*" WEFT_NOT_HAN(
        WEFT_LOWER) "+" WEFT_CONTRACTIONS
                    "?|"
                    R"([^\r\n\p{L}\p{N}]?)" WEFT_NOT_HAN(WEFT_UPPER) "+" WEFT_NOT_HAN(
                        WEFT_LOWER) "*" WEFT_CONTRACTIONS
                                    "?|"
                                    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)" WEFT_SPACES};
constexpr std::string_view kYoutu[] = {
    R"([\x{AC00}-\x{D7A3}\x{3131}-\x{318E}]+|)"
    R"([\x{FF01}\x{2026}\x{201C}\x{201D}\x{2018}\x{2019}\x{2014}\x{FF1A}\x{FF1B}\x{FF0C})"
    R"(\x{3001}-\x{303F}\x{FE30}-\x{FE4F}]+|[\x{3105}-\x{312F}]+|)" WEFT_KANA,
    R"([^\r\n\p{L}\p{N}]?)" WEFT_UPPER "*" WEFT_LOWER "+" WEFT_CONTRACTIONS
    "?|"
    R"([^\r\n\p{L}\p{N}]?)" WEFT_UPPER "+" WEFT_LOWER "*" WEFT_CONTRACTIONS
    "?|"
    R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|)" WEFT_SPACES};

// Source: DeepSeek-AI, the tokenizer.json of DeepSeek LLM, Coder and V3. The first names letters
// that have case, one by one.
#define WEFT_CASED                                                                          \
  R"(A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293})"   \
  R"(\x{295}-\x{2AF}\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386})"            \
  R"(\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1}\x{3A3}-\x{3F5}\x{3F7}-\x{481}\x{48A}-\x{52F})"   \
  R"(\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA})"  \
  R"(\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A})"                 \
  R"(\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D})"                 \
  R"(\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4})"          \
  R"(\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3})"         \
  R"(\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107})" \
  R"(\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124}\x{2126}\x{2128}\x{212A}-\x{212D})"  \
  R"(\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F}\x{2145}-\x{2149}\x{214E}\x{2183}\x{2184})"  \
  R"(\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D})" \
  R"(\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E})"                 \
  R"(\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A})"                 \
  R"(\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}\x{104B0}-\x{104D3}\x{104D8}-\x{104FB})"           \
  R"(\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF}\x{1E900}-\x{1E943})"
constexpr std::string_view kEastAsian = R"([\x{4E00}-\x{9FA5}\x{0800}-\x{4E00}\x{AC00}-\x{D7FF}]+)";
constexpr std::string_view kDeepseekLlm[] = {
    R"([\r\n])",
    R"(\s?[)" WEFT_CASED R"(]+)",
    R"(\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+)",
    R"(\s+$)",
    kEastAsian,
    R"(\p{N}+)"};
constexpr std::string_view kDeepseekCoder[] = {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)",
                                               kEastAsian, R"(\p{N})"};
#define WEFT_DEEPSEEK_WORDS                             \
  R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|)" \
  R"([^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+)"
constexpr std::string_view kDeepseekV3[] = {R"(\p{N}{1,3})", WEFT_KANA,
                                            WEFT_DEEPSEEK_WORDS R"([\r\n]*|)" WEFT_SPACES};
constexpr std::string_view kSpark[] = {R"(\p{N}{1,3})", WEFT_KANA,
                                       WEFT_DEEPSEEK_WORDS R"(|[\r\n]|\s+(?!\S)|\s+)", R"(\p{N})"};

// BLOOM's (BigScience 2022): words up to white space and a few marks of punctuation.
constexpr std::string_view kBloom[] = {
    R"( ?[^(\s|.,!?\x{2026}\x{3002}\x{FF0C}\x{3001}\x{0964}\x{06D4}\x{060C})]+)"};
constexpr std::string_view kViking[] = {kBloom[0], R"(\p{N})"};

constexpr PretokenizerFacts kTable[] = {
    {"default", kDefault, false, false},
    {"gpt-2", kGpt2, false, false},
    {"phi-2", kGpt2, false, false},
    {"olmo", kGpt2, false, false},
    {"mpt", kGpt2, false, false},
    {"jais", kGpt2, false, false},
    {"trillion", kGpt2, false, false},
    {"granite-docling", kGpt2, false, false},
    {"exaone4", kGpt2, false, false},
    {"gigachat", kGpt2, false, false},
    {"mellum", kGpt2, false, false},
    {"a.x-4.0", kGpt2, false, false},
    {"modern-bert", kGpt2, false, false},
    {"jina-es", kGpt2, false, false},
    {"jina-de", kGpt2, false, false},
    {"jina-v2-es", kGpt2, false, false},
    {"jina-v2-de", kGpt2, false, false},
    {"jina-v2-code", kGpt2, false, false},
    {"falcon", kFalcon, false, false},
    {"smollm", kDigitsFirst, false, false},
    {"starcoder", kDigitsFirst, false, false},
    {"refact", kDigitsFirst, false, false},
    {"codeshell", kDigitsFirst, false, false},
    {"exaone", kDigitsFirst, false, false},
    {"minerva-7b", kDigitsFirst, false, false},
    {"mellum2", kDigitsFirst, false, false},
    {"command-r", kDigitsFirst, false, true},
    {"llama-bpe", kLlama3, true, true},
    {"llama3", kLlama3, true, true},
    {"llama-v3", kLlama3, true, true},
    {"falcon3", kLlama3, true, true},
    {"falcon-h1", kLlama3, true, true},
    {"pixtral", kLlama3, true, true},
    {"midm-2.0", kLlama3, true, true},
    {"lfm2", kLlama3, true, true},
    {"jina-v5-nano", kLlama3, true, true},
    {"smaug-bpe", kLlama3, false, false},
    {"dbrx", kLlama3, false, false},
    {"glm4", kLlama3, false, false},
    {"chatglm-bpe", kLlama3, false, false},
    {"jais-2", kJais2, false, false},
    {"minicpm5", kMiniCpm5, true, false},
    {"qwen2", kQwen2, false, false},
    {"qwen35", kQwen35, false, false},
    {"deepseek-r1-qwen", kQwen2, false, false},
    {"kormo", kQwen2, false, false},
    {"f2llmv2", kQwen2, false, false},
    {"megrez", kQwen2, false, false},
    {"stablelm2", kQwen2, false, false},
    {"hunyuan", kQwen2, false, false},
    {"solar-open", kQwen2, false, false},
    {"grok-2", kQwen2, false, false},
    {"laguna", kLaguna, false, false},
    {"ufakzeka", kUfakzeka, false, false},
    {"seed-coder", kSeedCoder, false, false},
    {"bailingmoe", kBailing, false, false},
    {"bailingmoe2", kBailing, false, false},
    {"llada-moe", kBailing, false, false},
    {"exaone-moe", kExaoneMoe, false, false},
    {"gpt-4o", kGpt4o, false, false},
    {"llama4", kGpt4o, false, false},
    {"kanana2", kGpt4o, false, false},
    {"talkie", kGpt4o, false, false},
    {"minimax-m2", kGpt4o, false, false},
    {"granite-embed-multi-97m", kGpt4o, true, false},
    {"tekken", kTekken, true, true},
    {"kimi-k2", kKimiK2, false, false},
    {"youtu", kYoutu, true, false},
    {"deepseek-llm", kDeepseekLlm, false, false},
    {"deepseek-coder", kDeepseekCoder, false, false},
    {"deepseek-v3", kDeepseekV3, false, false},
    {"hunyuan-dense", kDeepseekV3, false, false},
    {"hy_v4", kDeepseekV3, false, false},
    {"joyai-llm", kDeepseekV3, false, false},
    {"spark2_5", kSpark, false, false},
    {"bloom", kBloom, false, false},
    {"poro-chat", kBloom, false, false},
    {"gpt3-finnish", kBloom, false, false},
    {"viking", kViking, false, false},
};

}  // namespace

std::span<const PretokenizerFacts> pretokenizer_table() {
  return kTable;
}

}  // namespace weft::model
