// Codes of weights as signed bytes whose products with the codes of x need no scale before a block
// ends: for devices that multiply matrices of bytes, whose sums are best left where they are.
//
// Blocks of 32 columns have one scale, so their codes are taken as they are. In those of 256 a code
// is multiplied by the scale of its 16 or 32 columns, an integer; the product is one of -4064 to
// 4096 and becomes two planes of bytes, low + 128 * high. A sum over low codes and one over high
// ones then give the block's integer, the same one as sums that are scaled one by one.
// Zero points are in the codes; mins are not.

const uint PLANES = OF_32 ? 1 : 2;

struct Planes {
  uvec4 low, high;
};

// The even bytes of words, and the odd ones, as two values of 16 bits each.
uvec4 even_bytes(uvec4 words) { return words & 0x00ff00ffu; }
uvec4 odd_bytes(uvec4 words) { return (words >> 8) & 0x00ff00ffu; }
uvec4 from_pairs(uvec4 even, uvec4 odd) {
  return (even & 0x00ff00ffu) | ((odd & 0x00ff00ffu) << 8);
}

// Codes, two of 16 bits in a word, times their scale, as numbers that are not negative: those of
// Q6_K are (code - 32) * scale + 128 * (code + 32), of IQ4_XS, whose codes are 128 more than the
// values, (code - 128) * scale + 4096.
uvec4 scaled(uvec4 codes, ivec4 scale) {
  if (TYPE == Q6_K) return codes * uvec4(scale + 128) + uvec4(32 * (128 - scale)) * 0x00010001u;
  if (TYPE == IQ4_XS) {
    return codes * uvec4(scale + 32) + uvec4(4096 - 128 * scale) * 0x00010001u - (codes << 5);
  }
  return codes * uvec4(scale);
}
// Of such numbers, what they have beyond the lowest 7 bits.
uvec4 beyond_low(uvec4 codes, uvec4 numbers) {
  const uvec4 high = (numbers >> 7) & 0x01ff01ffu;
  if (TYPE == IQ4_XS) return high + 0x01000100u - 0x00200020u;
  return TYPE == Q6_K ? high + 0x01000100u - (codes + 0x00200020u) : high;
}

// Four codes of each row of a quad, whose scales these are.
Planes planes_of(uvec4 codes, ivec4 scale) {
  if (TYPE == IQ4_XS) codes ^= 0x80808080u;
  else if (TYPE == Q8_0 || NAMED || HAS_MIN) return Planes(codes, uvec4(0));
  if (OF_32) {
    const uint offsets = TYPE == Q5_0 ? 0x10101010u : 0x08080808u;
    return Planes(((codes | 0x80808080u) - offsets) ^ 0x80808080u, uvec4(0));
  }
  const uvec4 even = even_bytes(codes), odd = odd_bytes(codes);
  const uvec4 even_scaled = scaled(even, scale), odd_scaled = scaled(odd, scale);
  return Planes(from_pairs(even_scaled, odd_scaled) & 0x7f7f7f7fu,
                from_pairs(beyond_low(even, even_scaled), beyond_low(odd, odd_scaled)));
}

// The scale of half 0 or 1 of sub-block s of the block at `at`.
ivec4 half_scale(uint at, uint s, uint half_of, uint quad) {
  if (OF_32) return ivec4(1);
  if (TYPE == Q6_K) {
    return signed_bytes_of(w[at + 1 + s / 2 * 2 + quad], 2 * (s % 2) + half_of);
  }
  if (TYPE == IQ4_XS) return scale_of(scales_of(at, quad), s);
  return ivec4(bytes_of(w[at + 2 + s / 4 * 2 + quad], s % 4) & 0x3fu);
}
