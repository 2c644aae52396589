// A number of bytes as a flag's value: "2GiB", "512MiB", "65536".

#ifndef PERENNIAL_SERVER_BYTE_SIZE_H_
#define PERENNIAL_SERVER_BYTE_SIZE_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace perennial {

struct ByteSize {
  int64_t bytes = 0;
};

// "auto": a size that the host decides, where 0 means something else.
inline constexpr ByteSize kAutoSize = {-1};

// Reads "auto", or digits (with an optional fraction: "1.5GiB") and one of B, KiB, MiB, GiB, TiB (or K, M, G, T,
// meaning the same; no unit: bytes). The names are those that absl flags look for. On failure returns false and says
// why in `error`.
bool AbslParseFlag(absl::string_view text, ByteSize* size, std::string* error);

// "2GiB" where the value is a whole number of a unit, else the largest unit that leaves it whole.
std::string AbslUnparseFlag(ByteSize size);

// For people: "1.50 GiB", "23.0 KiB", "17 bytes".
std::string FormatBytes(int64_t bytes);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_BYTE_SIZE_H_
