// The vocabulary's unit, shared by everything that handles tokens.

#ifndef PERENNIAL_MODEL_TOKEN_H_
#define PERENNIAL_MODEL_TOKEN_H_

#include <cstdint>

namespace perennial {

// Row of the embedding table. Valid ids are 0 … vocab_size - 1.
using TokenId = int32_t;

// "No token", where an optional would be in the way.
inline constexpr TokenId kNoToken = -1;

}  // namespace perennial

#endif  // PERENNIAL_MODEL_TOKEN_H_
