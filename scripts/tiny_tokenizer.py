"""A byte-level BPE tokenizer: trained here, read by any loader of GGUF's `gpt2` vocabularies.

Text is cut by the `llama-bpe` pattern first. The generator writes ASCII only, so letters and
digits are spelled out in the pattern below instead of \\p{L} and \\p{N}. No merge touches a digit:
numbers are read and written digit by digit.
"""

import re
from collections import Counter
from collections.abc import Iterable

from tiny_data import Document

PRE_TOKENIZER = re.compile(
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\nA-Za-z0-9]?[A-Za-z]+"
    r"|[0-9]{1,3}| ?[^\sA-Za-z0-9]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")

BOS = "<|begin_of_text|>"
EOS = "<|endoftext|>"
SPECIALS = (BOS, EOS, "<|system|>", "<|user|>", "<|assistant|>")

# What the training loss weighs: digits of a result, text of the user, plain text, else 1.
RESULT_WEIGHT = 3.0
PROMPT_WEIGHT = 0.05
STORY_WEIGHT = 0.5

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}")


def byte_symbols() -> list[str]:
    """The printable character that stands for each byte, as GPT-2 published them."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    symbols = {byte: chr(byte) for byte in shown}
    symbols |= {byte: chr(256 + i) for i, byte in enumerate(hidden)}
    return [symbols[byte] for byte in range(256)]


BYTE_SYMBOLS = byte_symbols()


def merge_pair(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    """The word with every occurrence of the pair joined, from left to right."""
    joined: list[str] = []
    i = 0
    while i < len(word):
        if word[i:i + 2] == pair:
            joined.append(word[i] + word[i + 1])
            i += 2
        else:
            joined.append(word[i])
            i += 1
    return tuple(joined)


def train_merges(texts: Iterable[str], merge_count_max: int) -> list[tuple[str, str]]:
    """Byte-pair merges by frequency; ties go to the pair that sorts first."""
    counts = Counter(piece for text in texts for piece in PRE_TOKENIZER.findall(text))
    words = {tuple(BYTE_SYMBOLS[byte] for byte in piece.encode()): count
             for piece, count in counts.items()}
    merges: list[tuple[str, str]] = []
    while len(merges) < merge_count_max:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, count in words.items():
            for pair in zip(word, word[1:]):
                if not any(symbol.isdigit() for part in pair for symbol in part):
                    pairs[pair] += count
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = {merge_pair(word, best): count for word, count in words.items()}
    return merges


class Tokenizer:
    """Text to token ids and back. Ids: 256 bytes, the merges in order, the special tokens."""

    def __init__(self, merges: list[tuple[str, str]]) -> None:
        self.merges = merges
        self.tokens = [*BYTE_SYMBOLS, *(left + right for left, right in merges), *SPECIALS]
        self.ids = {token: i for i, token in enumerate(self.tokens)}
        self._rank = {pair: i for i, pair in enumerate(merges)}
        self._cache: dict[str, list[int]] = {}
        self._bytes = {symbol: byte for byte, symbol in enumerate(BYTE_SYMBOLS)}

    def _encode_piece(self, piece: str) -> list[int]:
        word = tuple(BYTE_SYMBOLS[byte] for byte in piece.encode())
        while len(word) > 1:
            pair = min(zip(word, word[1:]), key=lambda p: self._rank.get(p, len(self._rank)))
            if pair not in self._rank:
                break
            word = merge_pair(word, pair)
        return [self.ids[symbol] for symbol in word]

    def encode(self, text: str) -> list[int]:
        """The ids of plain text; the names of special tokens in it mean nothing."""
        ids: list[int] = []
        for piece in PRE_TOKENIZER.findall(text):
            if piece not in self._cache:
                self._cache[piece] = self._encode_piece(piece)
            ids += self._cache[piece]
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; special tokens are left out."""
        data = bytes(self._bytes[symbol] for i in ids if self.tokens[i] not in SPECIALS
                     for symbol in self.tokens[i])
        return data.decode(errors="replace")

    def prompt(self, messages: list[dict]) -> list[int]:
        """A chat as CHAT_TEMPLATE renders it, ready for the assistant's answer."""
        ids = [self.ids[BOS]]
        for message in messages:
            ids += [self.ids[f"<|{message['role']}|>"], *self.encode("\n"),
                    *self.encode(message["content"]), self.ids[EOS], *self.encode("\n")]
        return [*ids, self.ids["<|assistant|>"], *self.encode("\n")]

    def training_ids(self, document: Document) -> tuple[list[int], list[float]]:
        """The ids of a document and how much the loss weighs each as a prediction."""
        ids, weights = [self.ids[BOS]], [0.0]
        newline = self.encode("\n")
        if not document.messages:
            self._append_text(ids, weights, document.text, STORY_WEIGHT)
        for message in document.messages:
            ids += [self.ids[f"<|{message.role}|>"], *newline]
            weights += [0.0] * (1 + len(newline))
            weight = 1.0 if message.role == "assistant" else PROMPT_WEIGHT
            self._append_text(ids, weights, message.content, weight)
            ids += newline
            weights += [0.0] * len(newline)
        return ids, weights

    def _append_text(self, ids: list[int], weights: list[float], text: str,
                     weight: float) -> None:
        """Adds a text and its end token, each token with its weight.

        Of a computed sum the digits of the result weigh most. The summands of a plain list of
        sums, which nothing foretells, weigh as little as a prompt.
        """
        computes = "=" in text and weight != PROMPT_WEIGHT
        is_list = weight == STORY_WEIGHT
        in_result = False
        for i in [*self.encode(text), self.ids[EOS]]:
            token = self.tokens[i]
            in_result = token.endswith("=") or (in_result and (token.isdigit() or token == "Ġ"))
            ids.append(i)
            if computes and in_result and token.isdigit():
                weights.append(RESULT_WEIGHT)
            elif computes and is_list and not in_result:
                weights.append(PROMPT_WEIGHT)
            else:
                weights.append(weight)
