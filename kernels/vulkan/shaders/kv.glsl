// The KV cache of one layer, in words: [page][kv head] blocks of keys [PAGE_TOKENS][key_words] and
// then values, the same. The file that includes this declares the constant KV_TYPE before.
//   f32   a word each | f16 two a word | q8_0 for every 32: 8 words of codes, then a half for scale

const uint KV_F16 = 0, KV_F32 = 1, KV_Q8_0 = 2;  // as base/kv_type.h
const uint PAGE_TOKENS = 32;

// Of one key or value.
uint kv_words(uint head_dim) {
  return KV_TYPE == KV_F32 ? head_dim : KV_TYPE == KV_F16 ? head_dim / 2 : head_dim / 32 * 9;
}

// Where the key of a position begins; its value lies PAGE_TOKENS * kv_words further.
uint kv_at(uint page, uint slot, uint kv_head, uint kv_heads, uint head_dim) {
  return ((page * kv_heads + kv_head) * 2 * PAGE_TOKENS + slot) * kv_words(head_dim);
}
