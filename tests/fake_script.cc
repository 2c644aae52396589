#include "tests/fake_script.h"

#include <cstddef>
#include <utility>

#include "model/check.h"

namespace perennial {
namespace {

// Index in `visible` of the newest `token`, or -1.
int64_t NewestOf(const FakeSight& sight, TokenId token) {
  for (size_t i = sight.visible.size(); i-- > 0;) {
    if (sight.visible[i].token == token) return static_cast<int64_t>(i);
  }
  return -1;
}

}  // namespace

uint64_t MixBits(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

FakeScript RepliesFrom(std::vector<TokenId> alphabet, TokenId end, int32_t mean_length) {
  PERENNIAL_CHECK(!alphabet.empty() && mean_length >= 1);
  return [alphabet = std::move(alphabet), end, mean_length](const FakeSight& sight) {
    const uint64_t random = MixBits(sight.hash);
    if ((random >> 32) % static_cast<uint64_t>(mean_length) == 0) return end;
    return alphabet[(random & 0xffffffffu) % alphabet.size()];
  };
}

FakeScript RepliesOfLength(TokenId start, int32_t length, std::vector<TokenId> alphabet, TokenId end) {
  PERENNIAL_CHECK(!alphabet.empty());
  return [start, length, alphabet = std::move(alphabet), end](const FakeSight& sight) {
    const int64_t at = NewestOf(sight, start);
    const int64_t replied = static_cast<int64_t>(sight.visible.size()) - 1 - at;
    if (at >= 0 && replied >= length) return end;
    return alphabet[MixBits(sight.hash) % alphabet.size()];
  };
}

FakeScript Echoes(TokenId start, TokenId end) {
  return [start, end](const FakeSight& sight) {
    const int64_t at = NewestOf(sight, start);
    const int64_t replied = static_cast<int64_t>(sight.visible.size()) - 1 - at;
    if (at < 0 || replied >= at) return end;
    return sight.visible[static_cast<size_t>(replied)].token;
  };
}

}  // namespace perennial
