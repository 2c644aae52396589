// What a query of the fake runner sees, and scripts that turn it into replies a person can read in a failing test.

#ifndef PERENNIAL_TESTS_FAKE_SCRIPT_H_
#define PERENNIAL_TESTS_FAKE_SCRIPT_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "model/token.h"

namespace perennial {

// The finaliser of splitmix64: every bit of the input changes every bit of the output. The fake's only "arithmetic".
uint64_t MixBits(uint64_t x);

// What one query sees.
struct FakeSight {
  struct Seen {
    TokenId token;
    int64_t distance;  // p(t) - place; 0 is the query itself
  };
  int64_t index = 0;          // the query's token index t
  int32_t place = 0;          // p(t)
  std::vector<Seen> visible;  // in the order of places: sinks, notes, window; the query is the last one
  uint64_t hash = 0;          // of all of it
};

// Chooses the token with the highest logit after a query, or kNoToken to leave the plain hash logits. A pure function
// of the sight. Runs on the engine thread.
using FakeScript = std::function<TokenId(const FakeSight&)>;

// Readable replies of random but reproducible length: a token of `alphabet` chosen by the hash, and `end` once in
// `mean_length` tokens on average. REQUIRES: alphabet not empty, mean_length >= 1.
FakeScript RepliesFrom(std::vector<TokenId> alphabet, TokenId end, int32_t mean_length);

// Replies of `length` tokens of `alphabet`, chosen by the hash, then `end`. The reply is what follows the newest
// visible `start` token (the last token of the generation prompt, which the alphabet must not contain). Never ends when
// `start` is not visible: `length` must be smaller than the window.
FakeScript RepliesOfLength(TokenId start, int32_t length, std::vector<TokenId> alphabet, TokenId end);

// Repeats what it sees: the reply's token number k is the visible token number k before the newest `start`, head first,
// then `end`. While nothing is evicted during the reply, the reply is the list of the tokens that are remembered.
FakeScript Echoes(TokenId start, TokenId end);

}  // namespace perennial

#endif  // PERENNIAL_TESTS_FAKE_SCRIPT_H_
