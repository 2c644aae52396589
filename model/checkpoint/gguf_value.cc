// Metadata values of a GGUF file. See gguf_value.h.

#include "model/checkpoint/gguf_value.h"

#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/checkpoint/error_text.h"

namespace perennial {
namespace {

constexpr absl::string_view kTypeNames[] = {"uint8", "int8",   "uint16", "int16",  "uint32", "int32",  "float32",
                                            "bool",  "string", "array",  "uint64", "int64",  "float64"};
constexpr uint32_t kNumTypes = 13;

// Bytes of a number or bool; for strings and arrays the least that one can take.
uint64_t MinBytes(GgufType type) {
  switch (type) {
    case GgufType::kUint8:
    case GgufType::kInt8:
    case GgufType::kBool:
      return 1;
    case GgufType::kUint16:
    case GgufType::kInt16:
      return 2;
    case GgufType::kUint32:
    case GgufType::kInt32:
    case GgufType::kFloat32:
      return 4;
    case GgufType::kArray:
      return 12;  // element type and size
    case GgufType::kString:
    case GgufType::kUint64:
    case GgufType::kInt64:
    case GgufType::kFloat64:
      return 8;
  }
  return 1;
}

absl::Status Truncated(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("the file ends inside ", what));
}

// One number or bool at `bytes`. REQUIRES: MinBytes(type) bytes there.
GgufValue LoadNumber(GgufType type, const std::byte* bytes) {
  switch (type) {
    case GgufType::kUint8:
      return uint64_t{LoadUnaligned<uint8_t>(bytes)};
    case GgufType::kInt8:
      return int64_t{LoadUnaligned<int8_t>(bytes)};
    case GgufType::kUint16:
      return uint64_t{LoadUnaligned<uint16_t>(bytes)};
    case GgufType::kInt16:
      return int64_t{LoadUnaligned<int16_t>(bytes)};
    case GgufType::kUint32:
      return uint64_t{LoadUnaligned<uint32_t>(bytes)};
    case GgufType::kInt32:
      return int64_t{LoadUnaligned<int32_t>(bytes)};
    case GgufType::kFloat32:
      return double{LoadUnaligned<float>(bytes)};
    case GgufType::kUint64:
      return LoadUnaligned<uint64_t>(bytes);
    case GgufType::kInt64:
      return LoadUnaligned<int64_t>(bytes);
    case GgufType::kFloat64:
      return LoadUnaligned<double>(bytes);
    default:
      return LoadUnaligned<uint8_t>(bytes) != 0;
  }
}

absl::StatusOr<GgufType> ReadType(ByteCursor& cursor) {
  uint32_t type = 0;
  if (!cursor.Read(&type)) return Truncated("a value's type");
  if (type >= kNumTypes) {
    return absl::InvalidArgumentError(absl::StrCat("value type ", type, " is unknown; the highest is ", kNumTypes - 1));
  }
  return static_cast<GgufType>(type);
}

absl::Status CheckBools(absl::Span<const std::byte> packed) {
  for (const std::byte value : packed) {
    if (value > std::byte{1}) {
      return absl::InvalidArgumentError(absl::StrCat("a bool has the value ", std::to_integer<int>(value)));
    }
  }
  return absl::OkStatus();
}

// Recursion is bounded by kMaxArrayDepth. `depth` is 1 for an array that is a key's value.
absl::StatusOr<GgufArray> ReadArray(ByteCursor& cursor, int depth) {
  if (depth > GgufLimits::kMaxArrayDepth) {
    return absl::InvalidArgumentError(
        absl::StrCat("arrays are nested deeper than the ", GgufLimits::kMaxArrayDepth, " levels allowed"));
  }
  const absl::StatusOr<GgufType> type = ReadType(cursor);
  if (!type.ok()) return type.status();
  GgufArray array;
  array.element_type = *type;
  if (!cursor.Read(&array.size)) return Truncated("an array's size");
  if (array.size > GgufLimits::kMaxArrayElements) {
    return absl::InvalidArgumentError(absl::StrCat("an array claims ", array.size, " elements, more than the ",
                                                   GgufLimits::kMaxArrayElements, " allowed"));
  }
  // Before anything is reserved: elements that cannot be there are not believed.
  if (array.size * MinBytes(*type) > cursor.remaining()) return Truncated(absl::StrCat("an array of ", array.size));

  if (*type == GgufType::kString) {
    array.strings.reserve(array.size);
    for (uint64_t i = 0; i < array.size; ++i) {
      const absl::StatusOr<absl::string_view> text = ReadGgufString(cursor, GgufLimits::kMaxStringBytes);
      if (!text.ok()) return text.status();
      array.strings.push_back(*text);
    }
  } else if (*type == GgufType::kArray) {
    for (uint64_t i = 0; i < array.size; ++i) {
      absl::StatusOr<GgufArray> element = ReadArray(cursor, depth + 1);
      if (!element.ok()) return element.status();
      array.arrays.push_back(*std::move(element));
    }
  } else {
    if (!cursor.Take(array.size * MinBytes(*type), &array.packed)) return Truncated("an array");
    if (*type == GgufType::kBool) {
      if (absl::Status bools = CheckBools(array.packed); !bools.ok()) return bools;
    }
  }
  return array;
}

}  // namespace

absl::string_view GgufTypeName(GgufType type) { return kTypeNames[static_cast<uint32_t>(type)]; }

std::optional<int64_t> ToInteger(const GgufValue& value) {
  if (const int64_t* number = std::get_if<int64_t>(&value)) return *number;
  if (const uint64_t* number = std::get_if<uint64_t>(&value)) {
    if (*number <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return static_cast<int64_t>(*number);
  }
  return std::nullopt;
}

std::optional<double> ToReal(const GgufValue& value) {
  if (const double* number = std::get_if<double>(&value)) return *number;
  if (const int64_t* number = std::get_if<int64_t>(&value)) return static_cast<double>(*number);
  if (const uint64_t* number = std::get_if<uint64_t>(&value)) return static_cast<double>(*number);
  return std::nullopt;
}

std::optional<int64_t> GgufArray::Integer(uint64_t index) const {
  if (packed.empty()) return std::nullopt;
  return ToInteger(LoadNumber(element_type, packed.data() + index * MinBytes(element_type)));
}

std::optional<double> GgufArray::Real(uint64_t index) const {
  if (packed.empty()) return std::nullopt;
  return ToReal(LoadNumber(element_type, packed.data() + index * MinBytes(element_type)));
}

absl::StatusOr<absl::string_view> ReadGgufString(ByteCursor& cursor, uint64_t max_bytes) {
  uint64_t size = 0;
  if (!cursor.Read(&size)) return Truncated("a string's length");
  if (size > max_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a string claims ", size, " bytes, more than the ", max_bytes, " allowed"));
  }
  absl::Span<const std::byte> bytes;
  if (!cursor.Take(size, &bytes)) return Truncated(absl::StrCat("a string of ", size, " bytes"));
  return absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

absl::StatusOr<GgufValue> ReadGgufValue(ByteCursor& cursor) {
  const absl::StatusOr<GgufType> type = ReadType(cursor);
  if (!type.ok()) return type.status();
  if (*type == GgufType::kString) {
    const absl::StatusOr<absl::string_view> text = ReadGgufString(cursor, GgufLimits::kMaxStringBytes);
    if (!text.ok()) return text.status();
    return GgufValue(*text);
  }
  if (*type == GgufType::kArray) {
    absl::StatusOr<GgufArray> array = ReadArray(cursor, 1);
    if (!array.ok()) return array.status();
    return GgufValue(*std::move(array));
  }
  absl::Span<const std::byte> bytes;
  if (!cursor.Take(MinBytes(*type), &bytes)) return Truncated(absl::StrCat("a ", GgufTypeName(*type)));
  if (*type == GgufType::kBool) {
    if (absl::Status bools = CheckBools(bytes); !bools.ok()) return bools;
  }
  return LoadNumber(*type, bytes.data());
}

}  // namespace perennial
