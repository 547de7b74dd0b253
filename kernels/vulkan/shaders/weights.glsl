// Panels of weights (kernels/cpu/panel.h), four rows at a time: a panel has two quads of rows, and
// a word of each row of a quad is one load of 16 bytes. Where a type's parts lie, in such loads.
// The file that includes this declares `uvec4 w[]` and the constant TYPE before.

// The types' numbers in a GGUF.
const uint F32 = 0, F16 = 1, Q4_0 = 2, Q8_0 = 8, Q4_K = 12, Q5_K = 13, Q6_K = 14, BF16 = 30;
const uint Q4_1 = 3, Q5_0 = 6, Q5_1 = 7, IQ4_NL = 20, IQ4_XS = 23, MXFP4 = 39;
const bool HAS_MIN = TYPE == Q4_1 || TYPE == Q5_1;  // one, a float
const bool HAS_FIFTH = TYPE == Q5_0 || TYPE == Q5_1;
const bool OF_32 = HAS_MIN || HAS_FIFTH || TYPE == Q4_0 || TYPE == Q8_0 || TYPE == IQ4_NL ||
                   TYPE == MXFP4;

const uint QUAD_ROWS = 4;

// Columns and loads of one block of a panel.
uint block_columns() {
  return OF_32 ? 32 : TYPE == F32 || TYPE == F16 || TYPE == BF16 ? 1 : 256;
}
uint block_loads() {
  switch (TYPE) {
    case F32: return 2;
    case F16: case BF16: return 1;
    case Q4_0: case IQ4_NL: return 9;
    case Q4_1: return 10;
    case Q5_0: return 11;
    case Q5_1: return 12;
    case Q8_0: return 17;
    case Q4_K: return 72;
    case Q5_K: return 88;
    case IQ4_XS: return 68;
    case MXFP4: return 17;  // of 8 bytes: so are all of this type that are counted
    default: return 105;  // Q6_K
  }
}
// Where the panel of quad `quad` of a matrix begins; the quad is number quad % 2 of it.
uint panel_of(uint quad, uint blocks) { return quad / 2 * blocks * block_loads(); }

// 8 bytes, or 16, from a number of 8 bytes on.
uvec2 half_load(uint at) {
  const uvec4 both = w[at / 2];
  return at % 2 == 0 ? both.xy : both.zw;
}
uvec4 load_from_half(uint at) {
  return at % 2 == 0 ? w[at / 2] : uvec4(w[at / 2].zw, w[at / 2 + 1].xy);
}

// Of the 16-bit values of a panel's rows, two words with a quad's.
uvec2 pair_at(uint at, uint quad) { return half_load(2 * at + quad); }
vec4 halves_at(uint at, uint quad) {
  const uvec2 two = pair_at(at, quad);
  return vec4(unpackHalf2x16(two.x), unpackHalf2x16(two.y));
}

// Byte i of words.
uvec4 bytes_of(uvec4 words, uint i) { return bitfieldExtract(words, int(8 * i), 8); }
ivec4 signed_bytes_of(uvec4 words, uint i) {
  return bitfieldExtract(ivec4(words), int(8 * i), 8);
}

// The scales of a block of a quad's rows.
vec4 d_at(uint at, uint quad) {
  if (TYPE != MXFP4) return halves_at(at, quad);
  const uvec2 two = half_load(at);
  const uint word = quad == 0 ? two.x : two.y;
  const uvec4 powers = (uvec4(word) >> uvec4(0, 8, 16, 24)) & 0xffu;
  // A byte is a float's exponent, but for that of no number and for 0, which is 2^-127. The values
  // of the codes are doubled.
  const uvec4 odd = uvec4(equal((powers + 1) & 0xfe, uvec4(0)));
  return uintBitsToFloat(powers << 23 | odd << 22) * 0.5;
}

// What Q5_0, Q5_1, Q5_K and Q6_K keep of sub-block s of 32 columns beside the nibbles, for its
// columns 0 to 15 and 16 to 31.
struct Upper {
  uvec4 low, high;
};
Upper upper_of(uint at, uint s, uint quad) {
  Upper upper = Upper(uvec4(0), uvec4(0));
  if (HAS_FIFTH) upper.low = upper.high = w[at + (HAS_MIN ? 2 : 1) + quad];
  if (TYPE == Q5_K) upper.low = upper.high = w[at + 72 + 2 * s + quad];
  if (TYPE == Q6_K) {
    upper.low = w[at + 73 + 4 * s + quad];
    upper.high = w[at + 75 + 4 * s + quad];
  }
  return upper;
}

// Codes that name values become these, four int8 in each word: IQ4's by a table of bytes, twice
// those of MXFP4 by bits, which is less work.
const bool NAMED = TYPE == IQ4_NL || TYPE == IQ4_XS || TYPE == MXFP4;
uvec4 iq4_value(uvec4 codes, uint i) {
  const uvec4 code = bytes_of(codes, i);
  const bvec4 odd = notEqual(code & 4, uvec4(0));
  const uvec4 first = mix(uvec4(0xbfad9881), uvec4(0xf6eaddcf), odd);
  const uvec4 second = mix(uvec4(0x26190d01), uvec4(0x71594535), odd);
  return (mix(first, second, greaterThan(code, uvec4(7))) >> (8 * (code & 3)) & 0xffu) << (8 * i);
}
// 0 to 4 mean themselves, 5 to 7 mean 6, 8 and 12; bit 3 is the sign.
uvec4 fp4_values(uvec4 codes) {
  const uvec4 above_3 = (codes >> 2) & 0x01010101;
  const uvec4 one = codes & above_3, two = (codes >> 1) & above_3;
  const uvec4 sizes = (codes & 0x07070707) + one + ((two + (one & two)) << 1);
  const uvec4 signs = (codes >> 3) & 0x01010101;
  const uvec4 negative = sizes & ((signs << 4) - signs);
  return ((sizes | 0x80808080u) - (negative << 1)) ^ 0x80808080u;
}
uvec4 look_up(uvec4 codes) {
  if (TYPE == MXFP4) return fp4_values(codes);
  return iq4_value(codes, 0) | iq4_value(codes, 1) | iq4_value(codes, 2) | iq4_value(codes, 3);
}

// Groups j (0 to 3) and j + 4 of a sub-block: 4 codes in each word, as stored, or their values.
struct Codes {
  uvec4 low, high;
};
Codes codes_of(uint at, uint s, uint j, uint quad, Upper upper) {
  if (TYPE == Q8_0) return Codes(w[at + 1 + 2 * j + quad], w[at + 9 + 2 * j + quad]);
  const uint nibbles_at = OF_32 ? 1 + (HAS_MIN ? 1 : 0) + (HAS_FIFTH ? 2 : 0)
                          : TYPE == Q6_K ? 9 : TYPE == IQ4_XS ? 4 : 8;
  const uvec4 both = TYPE == MXFP4 ? load_from_half(at + 1 + 4 * j + 2 * quad)
                                   : w[at + nibbles_at + 8 * s + 2 * j + quad];
  Codes codes = Codes(both & 0x0f0f0f0f, (both >> 4) & 0x0f0f0f0f);
  if (NAMED) return Codes(look_up(codes.low), look_up(codes.high));
  if (TYPE == Q5_K || HAS_FIFTH) {
    codes.low |= ((upper.low >> j) & 0x01010101) << 4;
    codes.high |= ((upper.high >> (j + 4)) & 0x01010101) << 4;
  }
  if (TYPE == Q6_K) {
    codes.low |= ((upper.low >> (2 * j)) & 0x03030303) << 4;
    codes.high |= ((upper.high >> (2 * j)) & 0x03030303) << 4;
  }
  return codes;
}

// Scales and mins of Q4_K and Q5_K, 8 each of 6 bits; of the 16 scales of Q6_K, a byte each too; of
// the 8 of IQ4_XS.
struct Scales {
  uvec4 low, high, mins_low, mins_high;
};
Scales xs_scales_of(uint at, uint quad) {
  const uvec4 low = w[at + 2 + quad];
  const uvec4 pairs = pair_at(at + 1, quad).xxyy;
  const uvec4 high = ((pairs >> uvec4(0, 16, 0, 16)) & 0xffffu) * 0x00010001u;
  const uvec4 first = (low & 0x0f0f0f0f) | (high & 0x00003030) | ((high << 2) & 0x30300000);
  const uvec4 second =
      ((low >> 4) & 0x0f0f0f0f) | ((high >> 2) & 0x00003030) | ((high << 4) & 0x30300000);
  // Less 32 each.
  return Scales(((first | 0x80808080u) - 0x20202020u) ^ 0x80808080u,
                ((second | 0x80808080u) - 0x20202020u) ^ 0x80808080u, uvec4(0), uvec4(0));
}
Scales scales_of(uint at, uint quad) {
  if (TYPE == Q6_K) {
    return Scales(w[at + 1 + quad], w[at + 3 + quad], w[at + 5 + quad], w[at + 7 + quad]);
  }
  if (TYPE == IQ4_XS) return xs_scales_of(at, quad);
  const uvec4 w0 = w[at + 2 + quad], w1 = w[at + 4 + quad], w2 = w[at + 6 + quad];
  Scales s;
  s.low = w0 & 0x3f3f3f3f;
  s.high = w1 & 0x3f3f3f3f;
  s.mins_low = ((w0 >> 6) & 0x03030303) | ((w1 >> 4) & 0x0c0c0c0c) | ((w2 >> 2) & 0x30303030);
  s.mins_high = w2 & 0x3f3f3f3f;
  return s;
}
ivec4 scale_of(Scales k, uint s) { return signed_bytes_of(s < 4 ? k.low : k.high, s % 4); }
ivec4 min_of(Scales k, uint s) { return ivec4(bytes_of(s < 4 ? k.mins_low : k.mins_high, s % 4)); }
// Of Q6_K, for half 0 or 1 of a sub-block.
ivec4 scale6_of(Scales k, uint s, uint half_of) {
  const uvec4 words = s < 4 ? (s < 2 ? k.low : k.high) : (s < 6 ? k.mins_low : k.mins_high);
  return signed_bytes_of(words, 2 * (s % 2) + half_of);
}

// The values at a column of a quad of the panel that begins at `panel`.
vec4 values_at(uint panel, uint column, uint quad) {
  const uint at = panel + column / block_columns() * block_loads();
  if (TYPE == F32) return uintBitsToFloat(w[at + quad]);
  if (TYPE == F16) return halves_at(at, quad);
  if (TYPE == BF16) {
    const uvec2 two = pair_at(at, quad);
    return uintBitsToFloat(uvec4(two.x << 16, two.x & 0xffff0000u, two.y << 16,
                                 two.y & 0xffff0000u));
  }
  const uint in_block = column % block_columns();
  const uint s = in_block / 32, g = in_block % 32 / 4, i = in_block % 4;
  const Codes pair = codes_of(at, s, g % 4, quad, upper_of(at, s, quad));
  const uvec4 words = g < 4 ? pair.low : pair.high;
  const vec4 d = d_at(at, quad);
  if (TYPE == IQ4_XS) {
    return d * vec4(scale_of(scales_of(at, quad), s)) * vec4(signed_bytes_of(words, i));
  }
  if (TYPE == Q8_0 || NAMED) return d * vec4(signed_bytes_of(words, i));
  const vec4 code = vec4(bytes_of(words, i));
  if (HAS_MIN) return d * code + halves_at(at + 1, quad);
  if (OF_32) return d * (code - (TYPE == Q5_0 ? 16 : 8));
  const Scales k = scales_of(at, quad);
  if (TYPE == Q6_K) return d * vec4(scale6_of(k, s, g / 4)) * (code - 32);
  return d * vec4(scale_of(k, s)) * code - halves_at(at + 1, quad) * vec4(min_of(k, s));
}
