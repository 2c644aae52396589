#include "model/model_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace perennial {
namespace {

using ::testing::HasSubstr;

class StandingCache final : public KvCache {
 public:
  explicit StandingCache(int64_t num_tokens) : num_tokens_(num_tokens) {}
  const CacheShape& shape() const override { return shape_; }
  int64_t num_tokens() const override { return num_tokens_; }
  int32_t num_notes() const override { return 0; }
  int64_t size_bytes() const override { return 0; }

 private:
  const CacheShape shape_{.sink_tokens = 2, .note_tokens = 1, .window_tokens = 4};
  const int64_t num_tokens_;
};

constexpr RunnerLimits kLimits{.vocab_size = 10, .max_tokens_per_step = 8};

std::string Refusal(const std::vector<StepInput>& batch) {
  const absl::Status status = ValidateBatch(batch, kLimits);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

// The codes and that nothing changes are clauses of model_runner_contract.h; here are the texts.
TEST(ValidateBatchTest, NamesTheInputTheFieldAndTheLimit) {
  StandingCache cache(7);
  StandingCache empty(0);
  const std::vector<TokenId> tokens = {0, 9};
  const std::vector<TokenId> bad_token = {0, 10};
  const std::vector<int64_t> begins = {4, 8};
  const std::vector<int64_t> low = {3, 5};
  const std::vector<int64_t> high = {8, 8};
  const std::vector<int64_t> down = {6, 5};
  const std::vector<int64_t> sinks = {2, 2};
  const StepInput good{&empty, Part::kStream, tokens, sinks};
  EXPECT_TRUE(ValidateBatch({good, {&cache, Part::kStream, tokens, begins}}, kLimits).ok());
  EXPECT_THAT(Refusal({}), HasSubstr("empty"));
  EXPECT_THAT(Refusal({good, {nullptr, Part::kStream, tokens, begins}}), HasSubstr("input 1: cache is null"));
  EXPECT_THAT(Refusal({{&cache, Part::kStream, bad_token, begins}}), HasSubstr("token id is 10, must be 0 to 9"));
  EXPECT_THAT(Refusal({{&cache, Part::kStream, tokens, low}}), HasSubstr("of token 7 is 3, must be 4 to 7"));
  EXPECT_THAT(Refusal({{&cache, Part::kStream, tokens, high}}), HasSubstr("of token 7 is 8, must be 4 to 7"));
  EXPECT_THAT(Refusal({{&cache, Part::kStream, tokens, down}}), HasSubstr("of token 8 is 5, must be 6 to 8"));
  EXPECT_THAT(Refusal({{&empty, Part::kStream, tokens, begins}}), HasSubstr("of token 0 is 4, must be 2 to 2"));
  EXPECT_THAT(Refusal({{&cache, Part::kNotes, tokens, {}, LogitRows::kNone}}), HasSubstr("2 notes, must be at most 1"));
  EXPECT_THAT(Refusal({good, good}), HasSubstr("twice"));
  const std::vector<TokenId> many(9, 1);
  const std::vector<int64_t> many_begins = {4, 5, 6, 7, 8, 9, 10, 11, 12};
  EXPECT_THAT(Refusal({{&cache, Part::kStream, many, many_begins}}), HasSubstr("9 tokens, must be at most 8"));
}

TEST(ValidateBatchTest, CountsTheTokensOfAllInputsTogether) {
  StandingCache a(0);
  StandingCache b(0);
  const std::vector<TokenId> tokens(5, 1);
  const std::vector<int64_t> begins = {2, 2, 2, 2, 2};
  EXPECT_THAT(Refusal({{&a, Part::kStream, tokens, begins}, {&b, Part::kStream, tokens, begins}}),
              HasSubstr("10 tokens, must be at most 8"));
}

TEST(StepOutputTest, RowsAreSlicesInBatchOrder) {
  const StepOutput output{.vocab_size = 2, .logits = {0, 1, 2, 3, 4, 5}, .first_row = {0, 1}};
  EXPECT_THAT(output.Row(0), ::testing::ElementsAre(0, 1));
  EXPECT_THAT(output.Row(1), ::testing::ElementsAre(2, 3));
  EXPECT_THAT(output.Row(1, 1), ::testing::ElementsAre(4, 5));
}

}  // namespace
}  // namespace perennial
