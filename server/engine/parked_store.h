// The seam behind which parked caches live: where a cache goes whose session is idle while others need its memory.
//
// Implementations: host_memory_store.h. One on a disk or behind a network implements the same two classes; what it must
// know of a cache is its size in bytes.

#ifndef PERENNIAL_SERVER_ENGINE_PARKED_STORE_H_
#define PERENNIAL_SERVER_ENGINE_PARKED_STORE_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace perennial {

// One parked cache: a fixed number of bytes, written once, slice by slice in ascending order, then read any number of
// times, in the same slices. Destroying it gives its room back.
//
// Calls are made between steps: they must return at once. A store that is not that fast keeps what it is given in a
// buffer of its own, and answers UNAVAILABLE while it has no room in it or has not yet got the bytes: the engine asks
// again in its next pass (the store calls Engine::Wake when that makes sense). Every other error fails the copy.
class ParkedBytes {
 public:
  virtual ~ParkedBytes() = default;

  virtual int64_t size_bytes() const = 0;  // constant

  // REQUIRES, of both: [offset, offset + bytes.size()) lies within size_bytes().
  virtual absl::Status Write(int64_t offset, absl::Span<const std::byte> bytes) = 0;
  virtual absl::Status Read(int64_t offset, absl::Span<std::byte> bytes) = 0;
};

// Engine thread only, as are the ParkedBytes it makes, which must be destroyed before it.
class ParkedStore {
 public:
  virtual ~ParkedStore() = default;

  // Room for `size_bytes` bytes, 0 included. RESOURCE_EXHAUSTED when there is none.
  virtual absl::StatusOr<std::unique_ptr<ParkedBytes>> Create(int64_t size_bytes) = 0;

  // What all ParkedBytes may hold together. Constant: admission counts on it.
  virtual int64_t capacity_bytes() const = 0;
  // What they hold now.
  virtual int64_t used_bytes() const = 0;
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_PARKED_STORE_H_
