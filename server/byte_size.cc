#include "server/byte_size.h"

#include <array>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace perennial {
namespace {

constexpr absl::string_view kAuto = "auto";
constexpr std::array<absl::string_view, 5> kUnits = {"", "KiB", "MiB", "GiB", "TiB"};

}  // namespace

bool AbslParseFlag(absl::string_view text, ByteSize* size, std::string* error) {
  const absl::string_view trimmed = absl::StripAsciiWhitespace(text);
  if (trimmed == kAuto) {
    *size = kAutoSize;
    return true;
  }
  const size_t end = trimmed.find_first_not_of("0123456789.");
  const absl::string_view digits = trimmed.substr(0, end);
  const absl::string_view unit = end == absl::string_view::npos ? "" : absl::StripAsciiWhitespace(trimmed.substr(end));
  double number = 0;
  if (digits.empty() || !absl::SimpleAtod(digits, &number)) {
    *error = "not a size: write bytes, or a number and KiB, MiB, GiB or TiB";
    return false;
  }
  for (size_t power = 0; power < kUnits.size(); ++power) {
    const bool is_unit =
        power == 0 ? (unit.empty() || unit == "B") : (unit == kUnits[power] || unit == kUnits[power].substr(0, 1));
    if (!is_unit) continue;
    const double bytes = number * std::pow(1024.0, static_cast<double>(power));
    if (bytes > 1e18) {
      *error = "more bytes than any machine has";
      return false;
    }
    size->bytes = static_cast<int64_t>(bytes);
    return true;
  }
  *error = absl::StrCat("unknown unit \"", unit, "\": use KiB, MiB, GiB or TiB");
  return false;
}

std::string AbslUnparseFlag(ByteSize size) {
  if (size.bytes == kAutoSize.bytes) return std::string(kAuto);
  int64_t number = size.bytes;
  size_t power = 0;
  while (number != 0 && number % 1024 == 0 && power + 1 < kUnits.size()) {
    number /= 1024;
    ++power;
  }
  return absl::StrCat(number, kUnits[power]);
}

std::string FormatBytes(int64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " bytes");
  double number = static_cast<double>(bytes);
  size_t power = 0;
  while (number >= 1024.0 && power + 1 < kUnits.size()) {
    number /= 1024.0;
    ++power;
  }
  return absl::StrFormat("%.*f %s", number < 10 ? 2 : 1, number, kUnits[power]);
}

}  // namespace perennial
