// A bounded walk over bytes that nobody has checked yet: every read says whether the bytes were there.

#ifndef PERENNIAL_MODEL_CHECKPOINT_BYTE_CURSOR_H_
#define PERENNIAL_MODEL_CHECKPOINT_BYTE_CURSOR_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "absl/types/span.h"

namespace perennial {

// Both formats store numbers in little-endian order; readers copy them as they are.
static_assert(std::endian::native == std::endian::little, "checkpoint files are read on little-endian machines only");

// Reads a number at any alignment: neither GGUF's metadata nor safetensors' tensors are aligned to anything, and a cast
// pointer would be undefined behaviour. Compiles to one load. REQUIRES: sizeof(T) bytes are readable at `bytes`.
template <typename T>
T LoadUnaligned(const void* bytes) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

// Does not own the bytes; they must outlive it. Not thread-safe.
//
// REQUIRES: nothing. That is the point: sizes may come straight from a file, and a comparison that could overflow is
// never made, because it is always the bytes that are left which are compared with. After a read that returned false
// nothing has moved and the output is untouched.
class ByteCursor {
 public:
  explicit ByteCursor(absl::Span<const std::byte> bytes) : bytes_(bytes) {}

  size_t position() const { return position_; }                   // bytes read so far
  size_t remaining() const { return bytes_.size() - position_; }  // bytes left

  // Reads one number, at any alignment. False if fewer bytes are left than it takes.
  template <typename T>
  bool Read(T* value) {
    if (remaining() < sizeof(T)) return false;
    *value = LoadUnaligned<T>(bytes_.data() + position_);
    position_ += sizeof(T);
    return true;
  }

  // Takes the next `size` bytes as a view, without copying: mapped pages that nobody looks at are never read from disk.
  // `size` may be anything a file claims.
  bool Take(uint64_t size, absl::Span<const std::byte>* taken) {
    if (size > remaining()) return false;
    *taken = bytes_.subspan(position_, size);
    position_ += size;
    return true;
  }

 private:
  const absl::Span<const std::byte> bytes_;
  size_t position_ = 0;
};

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_BYTE_CURSOR_H_
