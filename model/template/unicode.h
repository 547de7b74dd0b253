// Python's str over UTF-8: code points, white space, case, searching.
//
// Every text here is well-formed UTF-8 (sources are checked, inputs are sanitized). Sizes and
// offsets are bytes; indices are code points. Pure functions, thread-safe.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::model::jinja {

// The code point at byte `offset` (< text.size()); moves `offset` behind it.
char32_t decode_at(std::string_view text, size_t& offset);
void append_code_point(std::string& out, char32_t code_point);

// len(text).
size_t code_point_count(std::string_view text);
// The byte offset of code point `index`; text.size() if there are fewer.
size_t byte_offset(std::string_view text, size_t index);
// list(text), each a view into `text`.
std::vector<std::string_view> code_points(std::string_view text);

// str.isspace, for one code point.
bool is_space(char32_t code_point);
bool is_printable(char32_t code_point);
bool is_upper(char32_t code_point);
bool is_lower(char32_t code_point);
bool is_alpha(char32_t code_point);
bool is_digit(char32_t code_point);

enum class Side { kLeft, kRight, kBoth };
// str.strip and its kin: removes code points of `chars` (white space if nothing) at the sides.
std::string_view strip(std::string_view text, Side side,
                       std::optional<std::string_view> chars = std::nullopt);

// Simple case mappings of one code point each, and sharp s to SS as Python does.
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string capitalize(std::string_view text);
// Every word's first letter large. A word starts behind what is no letter (str.title), or, with
// `by_separators`, behind white space and -([{< (the filter `title`).
std::string title(std::string_view text, bool by_separators);

// The first occurrence at or behind byte `from`, and the last one; npos if there is none. Linear in
// the text's size whatever the needle, so that a hostile pair cannot make it quadratic.
size_t find_text(std::string_view text, std::string_view needle, size_t from = 0);
size_t rfind_text(std::string_view text, std::string_view needle);
// str.count.
size_t count_text(std::string_view text, std::string_view needle);
// str.splitlines without the line ends.
std::vector<std::string_view> split_lines(std::string_view text);

}  // namespace weft::model::jinja
