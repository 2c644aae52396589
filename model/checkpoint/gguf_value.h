// Metadata values of a GGUF file: numbers, bools, strings and (nested) arrays, read from bytes that nobody has checked.

#ifndef PERENNIAL_MODEL_CHECKPOINT_GGUF_VALUE_H_
#define PERENNIAL_MODEL_CHECKPOINT_GGUF_VALUE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/checkpoint/byte_cursor.h"

namespace perennial {

// Types of metadata values, numbered as in the file.
enum class GgufType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

absl::string_view GgufTypeName(GgufType type);  // "uint32"

// An array's elements stay in the file, unless they have no fixed size.
struct GgufArray {
  GgufType element_type = GgufType::kUint8;
  uint64_t size = 0;                       // elements
  absl::Span<const std::byte> packed;      // numbers and bools: `size` elements one after the other, any alignment
  std::vector<absl::string_view> strings;  // kString
  std::vector<GgufArray> arrays;           // kArray

  // An element as a number; unset if the elements are strings, arrays or (for Integer) floating point, or if an
  // unsigned one is beyond int64. REQUIRES: index < size.
  std::optional<int64_t> Integer(uint64_t index) const;
  std::optional<double> Real(uint64_t index) const;
};

// Unsigned, signed and floating-point numbers of every width are widened.
using GgufValue = std::variant<uint64_t, int64_t, double, bool, absl::string_view, GgufArray>;

// Limits, far above every real file: they bound the memory that a hostile header can make us reserve.
struct GgufLimits {
  static constexpr uint64_t kMaxTensors = 1 << 18;
  static constexpr uint64_t kMaxKeys = 1 << 16;
  static constexpr uint64_t kMaxKeyBytes = 65535;         // the format's own
  static constexpr uint64_t kMaxTensorNameBytes = 255;    // the format says 64
  static constexpr uint64_t kMaxStringBytes = 16 << 20;   // a chat template, a licence
  static constexpr uint64_t kMaxArrayElements = 1 << 24;  // of one array; a vocabulary has 2^18
  static constexpr int kMaxArrayDepth = 4;                // arrays inside arrays
  static constexpr uint32_t kMaxDimensions = 4;           // the format's own
  static constexpr uint64_t kMaxAlignment = 1 << 20;
};

// A number widened to int64 (unset: not an integer, or beyond int64) or to double (unset: not a number).
std::optional<int64_t> ToInteger(const GgufValue& value);
std::optional<double> ToReal(const GgufValue& value);

// Reads a length and that many bytes. The result is a view into the cursor's bytes, not always UTF-8.
// INVALID_ARGUMENT if it is longer than `max_bytes` or than what is left.
absl::StatusOr<absl::string_view> ReadGgufString(ByteCursor& cursor, uint64_t max_bytes);

// Reads a type and a value of that type, with the limits above.
absl::StatusOr<GgufValue> ReadGgufValue(ByteCursor& cursor);

}  // namespace perennial

#endif  // PERENNIAL_MODEL_CHECKPOINT_GGUF_VALUE_H_
