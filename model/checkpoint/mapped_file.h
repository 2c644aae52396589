// A file mapped into memory, read-only.

#ifndef PERENNIAL_MODEL_CHECKPOINT_MAPPED_FILE_H_
#define PERENNIAL_MODEL_CHECKPOINT_MAPPED_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace perennial {

// Owns the mapping; move-only. The bytes stay where they are when the object moves. Thread-safe once open.
//
// The mapping is private, so that pages are shared with the page cache and nothing can be written back. A file that is
// cut shorter by somebody else while it is mapped ends the process with SIGBUS on the next touch of the lost pages:
// checkpoints are replaced by renaming, not by rewriting them in place.
class MappedFile {
 public:
  // NOT_FOUND if there is no such file, INVALID_ARGUMENT if it is not a regular file or empty, PERMISSION_DENIED if it
  // may not be read, otherwise INTERNAL with the system's reason.
  static absl::StatusOr<MappedFile> Open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  absl::Span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(absl::Span<const std::byte> bytes) : bytes_(bytes) {}
  void Unmap();

  absl::Span<const std::byte> bytes_;  // empty after a move
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_MAPPED_FILE_H_
