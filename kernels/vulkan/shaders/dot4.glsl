// The sum of four products of signed bytes. Codes of weights are that too: int8, or 0 to 63.
// With DOT_PRODUCTS it is one instruction of devices with VK_KHR_shader_integer_dot_product, which
// glslc knows by its number only (SPIR-V: OpSDotKHR, PackedVectorFormat4x8Bit). Both give the same.

#ifdef DOT_PRODUCTS

#extension GL_EXT_spirv_intrinsics : require
const int PACKED_4X8 = 0;
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"],
                  capabilities = [6018, 6019],  // DotProductInput4x8BitPacked, DotProduct
                  id = 4450)
int packed_dot(uint a, uint b, spirv_literal int format);

int dot4(uint a, uint b) { return packed_dot(a, b, PACKED_4X8); }

#else

int signed_byte(uint word, uint i) { return bitfieldExtract(int(word), int(8 * i), 8); }

int dot4(uint a, uint b) {
  int sum = 0;
  [[unroll]] for (uint i = 0; i < 4; ++i) sum += signed_byte(a, i) * signed_byte(b, i);
  return sum;
}

#endif
