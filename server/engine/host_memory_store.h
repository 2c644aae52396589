// Parked caches in host memory: the ParkedStore of a server that is told nothing else.

#ifndef PERENNIAL_SERVER_ENGINE_HOST_MEMORY_STORE_H_
#define PERENNIAL_SERVER_ENGINE_HOST_MEMORY_STORE_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "server/engine/parked_store.h"

namespace perennial {

// Takes memory from the system as caches are parked, at most `capacity_bytes`, and gives it back with each.
class HostMemoryStore final : public ParkedStore {
 public:
  // `capacity_bytes` >= 0; 0: nothing can be parked.
  explicit HostMemoryStore(int64_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}
  // REQUIRES: nothing is parked.
  ~HostMemoryStore() override;

  // RESOURCE_EXHAUSTED, with the numbers, too where the system has no memory.
  absl::StatusOr<std::unique_ptr<ParkedBytes>> Create(int64_t size_bytes) override;
  int64_t capacity_bytes() const override { return capacity_bytes_; }
  int64_t used_bytes() const override { return used_bytes_; }

 private:
  class Bytes;

  const int64_t capacity_bytes_;
  int64_t used_bytes_ = 0;
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_HOST_MEMORY_STORE_H_
