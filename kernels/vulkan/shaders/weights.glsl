// Panels of weights (kernels/cpu/panel.h) as words: where a type's parts lie, and its values one by
// one. The file that includes this declares `uint w[]` and the constant TYPE before.

// The types' numbers in a GGUF.
const uint F32 = 0, F16 = 1, Q4_0 = 2, Q8_0 = 8, Q4_K = 12, Q5_K = 13, Q6_K = 14, BF16 = 30;

const uint PANEL_ROWS = 8;

// Columns and words of one block of a panel.
uint block_columns() {
  return TYPE == Q4_0 || TYPE == Q8_0 ? 32 : TYPE == F32 || TYPE == F16 || TYPE == BF16 ? 1 : 256;
}
uint block_words() {
  switch (TYPE) {
    case F32: return 8;
    case F16: case BF16: return 4;
    case Q4_0: return 36;
    case Q8_0: return 68;
    case Q4_K: return 288;
    case Q5_K: return 352;
    default: return 420;  // Q6_K
  }
}

// Half number `index` of the words from `at` on.
float half_at(uint at, uint index) {
  const vec2 both = unpackHalf2x16(w[at + index / 2]);
  return index % 2 == 0 ? both.x : both.y;
}

// Byte i of a word, unsigned and signed.
uint byte_of(uint word, uint i) { return bitfieldExtract(word, int(8 * i), 8); }
int signed_byte_of(uint word, uint i) { return bitfieldExtract(int(word), int(8 * i), 8); }

// The words of 4 codes each of group g (0 to 7) of a sub-block's 32 columns, without what Q5_K and
// Q6_K keep elsewhere. `at` is where the sub-block's nibbles begin.
uint nibbles(uint at, uint g, uint lane) {
  const uint both = w[at + 8 * (g % 4) + lane];
  return (g < 4 ? both : both >> 4) & 0x0f0f0f0f;
}

// Group g of sub-block s of a block that begins at word `at`: 4 codes, as stored.
uint codes(uint at, uint s, uint g, uint lane) {
  switch (TYPE) {
    case Q4_0: return nibbles(at + 4, g, lane);
    case Q8_0: return w[at + 4 + 8 * g + lane];
    case Q4_K: return nibbles(at + 32 + 32 * s, g, lane);
    case Q5_K: {
      const uint fifth = w[at + 288 + 8 * s + lane];
      return nibbles(at + 32 + 32 * s, g, lane) | (((fifth >> g) & 0x01010101) << 4);
    }
    default: {
      const uint upper = w[at + 292 + 8 * (2 * s + g / 4) + lane];
      return nibbles(at + 36 + 32 * s, g, lane) | (((upper >> (2 * (g % 4))) & 0x03030303) << 4);
    }
  }
}

// Scales and mins of Q4_K and Q5_K, 8 each of 6 bits.
struct Scales {
  uint low, high, mins_low, mins_high;  // a byte each
};
Scales scales_of(uint at, uint lane) {
  const uint w0 = w[at + 8 + lane], w1 = w[at + 16 + lane], w2 = w[at + 24 + lane];
  Scales s;
  s.low = w0 & 0x3f3f3f3f;
  s.high = w1 & 0x3f3f3f3f;
  s.mins_low = ((w0 >> 6) & 0x03030303) | ((w1 >> 4) & 0x0c0c0c0c) | ((w2 >> 2) & 0x30303030);
  s.mins_high = w2 & 0x3f3f3f3f;
  return s;
}
int scale_of(Scales k, uint s) { return int(byte_of(s < 4 ? k.low : k.high, s % 4)); }
int min_of(Scales k, uint s) { return int(byte_of(s < 4 ? k.mins_low : k.mins_high, s % 4)); }

// Scale `index` (0 to 15) of Q6_K.
int scale6_of(uint at, uint index, uint lane) {
  return signed_byte_of(w[at + 4 + 8 * (index / 4) + lane], index % 4);
}

// The value at a column of lane `lane` of the panel that begins at word `panel`.
float value_at(uint panel, uint column, uint lane) {
  const uint at = panel + column / block_columns() * block_words();
  if (TYPE == F32) return uintBitsToFloat(w[at + lane]);
  if (TYPE == F16) return half_at(at, lane);
  if (TYPE == BF16) {
    const uint both = w[at + lane / 2];
    return uintBitsToFloat(lane % 2 == 0 ? both << 16 : both & 0xffff0000u);
  }
  const uint in_block = column % block_columns();
  const uint s = in_block / 32, g = in_block % 32 / 4, i = in_block % 4;
  const uint word = codes(at, s, g, lane);
  const float d = half_at(at, lane);
  if (TYPE == Q8_0) return d * float(signed_byte_of(word, i));
  const float code = float(byte_of(word, i));
  if (TYPE == Q4_0) return d * (code - 8);
  if (TYPE == Q6_K) return d * float(scale6_of(at, 2 * s + g / 4, lane)) * (code - 32);
  const Scales k = scales_of(at, lane);
  return d * float(scale_of(k, s)) * code - half_at(at + 4, lane) * float(min_of(k, s));
}
