#include "kernels/cpu/mapped_memory.h"

#include <sanitizer/asan_interface.h>
#include <sys/mman.h>

#include <utility>

#include "base/text.h"

namespace weft::kernels {
namespace {

constexpr uint64_t kHugePageBytes = uint64_t{2} << 20;
constexpr uint64_t kPageBytesMin = 4096;
constexpr uint64_t kMappingBytesMax = uint64_t{1} << 46;
#if defined(__SANITIZE_ADDRESS__)
constexpr uint64_t kEdgeBytes = 4096;  // behind the memory, for AddressSanitizer to guard
#else
constexpr uint64_t kEdgeBytes = 0;
#endif

}  // namespace

Result<MappedMemory> MappedMemory::create(uint64_t bytes) {
  MappedMemory memory;
  if (bytes == 0) return memory;
  const bool large = bytes >= kHugePageBytes;
  // Address space, not memory: the part before the aligned start is never touched.
  const uint64_t slack = (large ? kHugePageBytes : 0) + kEdgeBytes;
  void* mapping = MAP_FAILED;
  if (bytes <= kMappingBytesMax) {
    mapping =
        mmap(nullptr, bytes + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }
  if (mapping == MAP_FAILED) {
    return Error(ErrorCode::kExhausted, cat("the system gives no ", format_bytes(bytes),
                                            " of memory; free some or choose a smaller model"));
  }
  auto start = reinterpret_cast<uintptr_t>(mapping);
  if (large) {
    start = (start + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
    // Advice only: without huge pages it is slower, not wrong.
    (void)madvise(reinterpret_cast<void*>(start), bytes, MADV_HUGEPAGE);
  }
  memory.mapping_ = mapping;
  memory.mapping_bytes_ = bytes + slack;
  memory.data_ = reinterpret_cast<uint8_t*>(start);
  memory.size_ = bytes;
  // AddressSanitizer knows the edges of the heap's memory only. Without it this is nothing.
  const uint64_t before = start - reinterpret_cast<uintptr_t>(mapping);
  ASAN_POISON_MEMORY_REGION(mapping, before);
  ASAN_POISON_MEMORY_REGION(memory.data_ + bytes, memory.mapping_bytes_ - before - bytes);
  return memory;
}

void MappedMemory::touch() {
  for (uint64_t at = 0; at < size_; at += kPageBytesMin) {
    *static_cast<volatile uint8_t*>(data_ + at) = data_[at];
  }
}

MappedMemory::~MappedMemory() {
  if (mapping_ == nullptr) return;
  ASAN_UNPOISON_MEMORY_REGION(mapping_, mapping_bytes_);  // for whoever gets the addresses next
  munmap(mapping_, mapping_bytes_);
}

MappedMemory::MappedMemory(MappedMemory&& other) noexcept
    : mapping_(std::exchange(other.mapping_, nullptr)),
      mapping_bytes_(std::exchange(other.mapping_bytes_, 0)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedMemory& MappedMemory::operator=(MappedMemory&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(mapping_bytes_, other.mapping_bytes_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace weft::kernels
