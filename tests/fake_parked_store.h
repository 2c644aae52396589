// A ParkedStore that can be told to fail or to be slow: a HostMemoryStore behind switches.

#ifndef PERENNIAL_TESTS_FAKE_PARKED_STORE_H_
#define PERENNIAL_TESTS_FAKE_PARKED_STORE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/engine/host_memory_store.h"

namespace perennial {

class FakeParkedStore final : public ParkedStore {
 public:
  explicit FakeParkedStore(int64_t capacity_bytes) : store_(capacity_bytes) {}

  // What the calls answer while it is not OK.
  absl::Status create_status;
  absl::Status write_status;
  absl::Status read_status;

  absl::StatusOr<std::unique_ptr<ParkedBytes>> Create(int64_t size_bytes) override {
    if (!create_status.ok()) return create_status;
    absl::StatusOr<std::unique_ptr<ParkedBytes>> bytes = store_.Create(size_bytes);
    if (!bytes.ok()) return bytes.status();
    return std::make_unique<Bytes>(this, *std::move(bytes));
  }
  int64_t capacity_bytes() const override { return store_.capacity_bytes(); }
  int64_t used_bytes() const override { return store_.used_bytes(); }

 private:
  class Bytes final : public ParkedBytes {
   public:
    Bytes(FakeParkedStore* store, std::unique_ptr<ParkedBytes> bytes) : store_(store), bytes_(std::move(bytes)) {}
    int64_t size_bytes() const override { return bytes_->size_bytes(); }
    absl::Status Write(int64_t offset, absl::Span<const std::byte> bytes) override {
      return store_->write_status.ok() ? bytes_->Write(offset, bytes) : store_->write_status;
    }
    absl::Status Read(int64_t offset, absl::Span<std::byte> bytes) override {
      return store_->read_status.ok() ? bytes_->Read(offset, bytes) : store_->read_status;
    }

   private:
    FakeParkedStore* const store_;
    const std::unique_ptr<ParkedBytes> bytes_;
  };

  HostMemoryStore store_;
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_FAKE_PARKED_STORE_H_
