// The words of the simulated model: bytes, of which few mean anything.

#ifndef PERENNIAL_TESTS_SIMULATION_SIMULATED_MODEL_H_
#define PERENNIAL_TESTS_SIMULATION_SIMULATED_MODEL_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/token.h"

namespace perennial {

inline constexpr TokenId kEndToken = 2;
inline const std::vector<TokenId> kReplyEnd = {3, 10};

// A token below 128 is a character, the others have no text.
inline absl::string_view BytesOf(TokenId token) {
  static const std::string* const kAscii = [] {
    auto* ascii = new std::string;
    for (int c = 0; c < 128; ++c) ascii->push_back(static_cast<char>(c));
    return ascii;
  }();
  return token < 128 ? absl::string_view(*kAscii).substr(static_cast<size_t>(token), 1) : "";
}

}  // namespace perennial

#endif  // PERENNIAL_TESTS_SIMULATION_SIMULATED_MODEL_H_
