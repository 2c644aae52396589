// The GGUF container, version 2 and 3: metadata and tensors, checked, without any meaning given to them.
//
//   "GGUF" | uint32 version | uint64 tensors | uint64 keys | keys … | tensor descriptions … | padding | tensor bytes
//
// The reader works on bytes in memory, so that a mapped file and a fuzzer's input take the same path.

#ifndef PERENNIAL_MODEL_CHECKPOINT_GGUF_READER_H_
#define PERENNIAL_MODEL_CHECKPOINT_GGUF_READER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/checkpoint/gguf_value.h"
#include "model/checkpoint/tensor.h"

namespace perennial {

// Views into the bytes it was read from; they must outlive it. Immutable; thread-safe.
struct GgufFile {
  uint32_t version = 0;
  absl::flat_hash_map<absl::string_view, GgufValue> metadata;
  std::vector<TensorView> tensors;  // in the file's order; names are the file's and unique; bytes do not overlap
};

// INVALID_ARGUMENT naming the key or tensor and the reason; UNIMPLEMENTED for a version or tensor type that is not
// supported. The message does not contain the file's path: the caller adds it.
absl::StatusOr<GgufFile> ReadGguf(absl::Span<const std::byte> bytes);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_GGUF_READER_H_
