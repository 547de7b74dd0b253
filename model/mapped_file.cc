#include "model/mapped_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>

#include "base/text.h"

namespace weft::model {
namespace {

// What the signal handler may look at: plain atomics, never freed, found without a lock.
struct Slot {
  std::atomic<uintptr_t> begin{0};  // 0: free
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> damaged{false};
};
static_assert(std::atomic<uintptr_t>::is_always_lock_free);
static_assert(std::atomic<bool>::is_always_lock_free);

std::array<Slot, kMappingsMax> g_slots;
std::mutex g_slots_mutex;  // taken by those who add and remove, never by the handler
struct sigaction g_previous_action;
uintptr_t g_page_bytes = 0;

// Runs on the faulting thread in the middle of a read. mmap is a plain system call on Linux; with
// sigaction and raise it is all that happens here.
void on_bus_error(int, siginfo_t* info, void*) {
  const int saved_errno = errno;
  const uintptr_t address = reinterpret_cast<uintptr_t>(info->si_addr);
  const bool is_fault = info->si_code > 0;  // raised by the machine, not sent by kill()
  for (Slot& slot : g_slots) {
    const uintptr_t begin = slot.begin.load(std::memory_order_acquire);
    if (!is_fault || begin == 0 || address < begin || address >= slot.end.load()) continue;
    void* page = reinterpret_cast<void*>(address / g_page_bytes * g_page_bytes);
    void* zeros =
        ::mmap(page, g_page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (zeros == MAP_FAILED) break;  // no memory for one page: die as without a handler
    slot.damaged.store(true);
    errno = saved_errno;
    return;
  }
  // Not ours. With the previous action back, returning repeats the fault; a sent signal is re-sent.
  ::sigaction(SIGBUS, &g_previous_action, nullptr);
  if (!is_fault) ::raise(SIGBUS);
  errno = saved_errno;
}

void install_handler_once() {
  static std::once_flag installed;
  std::call_once(installed, [] {
    g_page_bytes = uintptr_t(::sysconf(_SC_PAGESIZE));
    struct sigaction action = {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    ::sigemptyset(&action.sa_mask);
    WEFT_ASSERT(::sigaction(SIGBUS, &action, &g_previous_action) == 0);
  });
}

// The slot that now watches [begin, end), or kMappingsMax if all are taken.
uint32_t watch(uintptr_t begin, uintptr_t end) {
  const std::lock_guard lock(g_slots_mutex);
  for (uint32_t i = 0; i < kMappingsMax; ++i) {
    if (g_slots[i].begin.load() != 0) continue;
    g_slots[i].damaged.store(false);
    g_slots[i].end.store(end);
    g_slots[i].begin.store(begin, std::memory_order_release);
    return i;
  }
  return kMappingsMax;
}

void unwatch(uint32_t slot) {
  const std::lock_guard lock(g_slots_mutex);
  g_slots[slot].begin.store(0);
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path) {
  install_handler_once();
  MappedFile file;
  // O_NONBLOCK so that a named pipe is refused below instead of waited for; no effect on files.
  file.fd_ = FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.fd_.valid()) return system_error("open", path, errno);
  struct stat facts;
  if (::fstat(file.fd_.get(), &facts) != 0) return system_error("stat", path, errno);
  if (!S_ISREG(facts.st_mode)) {
    return Error(ErrorCode::kInvalid, cat("open ", path, ": not a regular file"));
  }
  if (facts.st_size == 0) return Error(ErrorCode::kCorrupt, cat("open ", path, ": it is empty"));

  const size_t size = size_t(facts.st_size);
  void* start = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.fd_.get(), 0);
  if (start == MAP_FAILED) return system_error("map", path, errno);
  file.bytes_ = {static_cast<const uint8_t*>(start), size};
  const uintptr_t begin = reinterpret_cast<uintptr_t>(start);
  file.slot_ = watch(begin, begin + (size + g_page_bytes - 1) / g_page_bytes * g_page_bytes);
  if (file.slot_ == kMappingsMax) {
    return Error(ErrorCode::kExhausted,
                 cat("map ", path, ": ", kMappingsMax, " files are mapped already; close some"));
  }
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept {
  *this = std::move(other);
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this == &other) return *this;
  close();
  fd_ = std::move(other.fd_);
  bytes_ = std::exchange(other.bytes_, {});
  slot_ = std::exchange(other.slot_, kMappingsMax);
  return *this;
}

void MappedFile::close() {
  if (!bytes_.empty()) ::munmap(const_cast<uint8_t*>(bytes_.data()), bytes_.size());
  if (slot_ != kMappingsMax) unwatch(slot_);
  bytes_ = {};
  slot_ = kMappingsMax;
  fd_.close();
}

void MappedFile::advise(ByteView part, int advice) const {
  if (part.empty()) return;
  const uintptr_t begin = reinterpret_cast<uintptr_t>(part.data()) / g_page_bytes * g_page_bytes;
  const uintptr_t end = reinterpret_cast<uintptr_t>(part.data()) + part.size();
  // Advice only: where the system does not take it, it costs time or memory, nothing else.
  (void)::madvise(reinterpret_cast<void*>(begin), end - begin, advice);
}

void MappedFile::will_read(ByteView part) const {
  advise(part, MADV_WILLNEED);
}

// A kernel with large folios maps a whole one when a page of it is read, so that reading on brings
// back what was just forgotten: what stands in the same folios is forgotten with it.
void MappedFile::forget(ByteView part) const {
  if (part.empty()) return;
  constexpr uintptr_t kFolioBytes = uintptr_t{2} << 20;
  const uintptr_t first = reinterpret_cast<uintptr_t>(bytes_.data());
  const uintptr_t begin = reinterpret_cast<uintptr_t>(part.data()) / kFolioBytes * kFolioBytes;
  const uintptr_t end = reinterpret_cast<uintptr_t>(part.data()) + part.size();
  const uintptr_t last = (end + kFolioBytes - 1) / kFolioBytes * kFolioBytes;
  const uintptr_t from = std::max(begin, first);
  const uintptr_t to = std::min(last, first + bytes_.size());
  advise({reinterpret_cast<const uint8_t*>(from), to - from}, MADV_DONTNEED);
}

bool MappedFile::damaged() const {
  if (slot_ == kMappingsMax) return false;
  if (g_slots[slot_].damaged.load()) return true;
  // A cut within the last page raises no signal: the kernel fills that page with zeros.
  struct stat facts;
  return ::fstat(fd_.get(), &facts) == 0 && uint64_t(facts.st_size) < bytes_.size();
}

}  // namespace weft::model
