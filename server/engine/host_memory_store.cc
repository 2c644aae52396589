#include "server/engine/host_memory_store.h"

#include <algorithm>
#include <cstddef>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/check.h"

namespace perennial {

class HostMemoryStore::Bytes final : public ParkedBytes {
 public:
  // `memory` is not initialized: its pages are touched slice by slice, as they are written.
  Bytes(HostMemoryStore* store, std::unique_ptr<std::byte[]> memory, int64_t size_bytes)
      : store_(store), memory_(std::move(memory)), size_bytes_(size_bytes) {
    store_->used_bytes_ += size_bytes_;
  }
  ~Bytes() override { store_->used_bytes_ -= size_bytes_; }

  int64_t size_bytes() const override { return size_bytes_; }

  absl::Status Write(int64_t offset, absl::Span<const std::byte> bytes) override {
    CheckPlace(offset, bytes.size());
    std::copy(bytes.begin(), bytes.end(), memory_.get() + offset);
    return absl::OkStatus();
  }

  absl::Status Read(int64_t offset, absl::Span<std::byte> bytes) override {
    CheckPlace(offset, bytes.size());
    std::copy_n(memory_.get() + offset, bytes.size(), bytes.begin());
    return absl::OkStatus();
  }

 private:
  void CheckPlace(int64_t offset, size_t size) const {
    PERENNIAL_CHECK(offset >= 0 && offset <= size_bytes_ - static_cast<int64_t>(size));
  }

  HostMemoryStore* const store_;
  const std::unique_ptr<std::byte[]> memory_;
  const int64_t size_bytes_;
};

HostMemoryStore::~HostMemoryStore() { PERENNIAL_CHECK(used_bytes_ == 0); }

absl::StatusOr<std::unique_ptr<ParkedBytes>> HostMemoryStore::Create(int64_t size_bytes) {
  PERENNIAL_CHECK(size_bytes >= 0);
  if (size_bytes > capacity_bytes_ - used_bytes_) {
    return absl::ResourceExhaustedError(absl::StrCat("a parked cache of ", size_bytes,
                                                     " bytes: ", capacity_bytes_ - used_bytes_, " of ", capacity_bytes_,
                                                     " bytes of parked memory are free"));
  }
  std::unique_ptr<std::byte[]> memory(new (std::nothrow) std::byte[static_cast<size_t>(size_bytes)]);
  if (memory == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a parked cache of ", size_bytes, " bytes: the system has no memory"));
  }
  return std::make_unique<Bytes>(this, std::move(memory), size_bytes);
}

}  // namespace perennial
