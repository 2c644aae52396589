// The safetensors container: named tensors, checked, without any meaning given to them.
//
//   uint64 header bytes | header: JSON {"name": {"dtype", "shape", "data_offsets": [begin, end]}, …} | tensor bytes

#ifndef PERENNIAL_MODEL_CHECKPOINT_SAFETENSORS_READER_H_
#define PERENNIAL_MODEL_CHECKPOINT_SAFETENSORS_READER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/checkpoint/tensor.h"

namespace perennial {

// A header of this size describes about 300,000 tensors; the largest real ones are below 1 MiB.
inline constexpr uint64_t kMaxSafetensorsHeaderBytes = 32 << 20;

// Reads one file from memory; the result views the bytes, which must outlive it. Tensors come in the order of their
// offsets, with unique names; they follow each other without gap or overlap and fill the file, as the format demands.
//
// INVALID_ARGUMENT naming the tensor and the reason; UNIMPLEMENTED for an element type other than F32, F16, BF16,
// unless the tensor's name ends like one of `unused`: then it is left out (old checkpoints hold masks of bytes). The
// message does not contain the file's path: the caller adds it.
absl::StatusOr<std::vector<TensorView>> ReadSafetensors(absl::Span<const std::byte> bytes,
                                                        absl::Span<const absl::string_view> unused = {});

// The names of the files that an index (model.safetensors.index.json) spreads its tensors over, sorted, unique.
// INVALID_ARGUMENT if the index is not valid, or if a name is anything but that of a file in the same directory: no
// separators, so that nothing outside is opened.
absl::StatusOr<std::vector<std::string>> ListShards(absl::string_view index);

// Checks that every tensor that the index promises is in `tensors_of_shards[i]`, i being its shard's place in `shards`,
// but for those that ReadSafetensors may have left out.
absl::Status CheckIndex(absl::string_view index, absl::Span<const std::string> shards,
                        absl::Span<const std::vector<TensorView>> tensors_of_shards,
                        absl::Span<const absl::string_view> unused = {});

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_SAFETENSORS_READER_H_
