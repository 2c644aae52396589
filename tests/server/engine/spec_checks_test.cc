#include "server/engine/spec_checks.h"

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial {
namespace {

using testing::HasSubstr;

const RunnerLimits kRunner = {.vocab_size = 100, .max_tokens_per_step = 512, .max_cache_tokens = 2048};

SessionSpec GoodSession() {
  SessionSpec spec;
  spec.opening = {0, 99};
  spec.idle_timeout = absl::Hours(1);
  spec.labels = {{"key", ""}};
  return spec;
}

TurnSpec GoodTurn() {
  TurnSpec spec;
  spec.session_id = "id";
  spec.message.tokens = {1};
  spec.max_tokens = 1;
  return spec;
}

// A spec is good; `spoil` makes it bad; the message then says `message`.
template <typename Spec>
struct BadSpec {
  std::function<void(Spec&)> spoil;
  std::string message;
};

template <typename Spec, typename Check>
void ExpectRefused(const Spec& good, const std::vector<BadSpec<Spec>>& bad, const Check& check) {
  EXPECT_TRUE(check(good).ok()) << check(good);
  for (const BadSpec<Spec>& one : bad) {
    Spec spec = good;
    one.spoil(spec);
    const absl::Status status = check(spec);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << one.message;
    EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidField);
    EXPECT_THAT(std::string(status.message()), HasSubstr(one.message));
  }
}

TEST(SpecChecksTest, NamesWhatIsWrongWithASession) {
  const EngineOptions options = {.max_opening_tokens = 3, .max_labels = 2, .max_label_bytes = 4};
  ExpectRefused<SessionSpec>(
      GoodSession(),
      {
          {[](SessionSpec& s) { s.shape.window_tokens = 0; }, "shape: window_tokens is 0, must be at least 1"},
          {[](SessionSpec& s) { s.shape.window_tokens = 4096; }, "must be at most 2048"},
          {[](SessionSpec& s) {
             s.opening = {1, 2, 3, 4};
           },
           "opening: has 4 tokens, must have 0 to 3"},
          {[](SessionSpec& s) {
             s.opening = {1, 100};
           },
           "opening[1]: token 100 is not in [0, 100)"},
          {[](SessionSpec& s) { s.opening = {-1}; }, "opening[0]: token -1"},
          {[](SessionSpec& s) { s.idle_timeout = absl::ZeroDuration(); }, "idle_timeout: 0"},
          {[](SessionSpec& s) { s.idle_timeout = absl::InfiniteDuration(); }, "idle_timeout: inf"},
          {[](SessionSpec& s) {
             s.labels = {{"a", ""}, {"b", ""}, {"c", ""}};
           },
           "labels: has 3, must have at most 2"},
          {[](SessionSpec& s) {
             s.labels = {{"", "x"}};
           },
           "a key of 0 bytes, must have 1 to 4"},
          {[](SessionSpec& s) {
             s.labels = {{"abcde", "x"}};
           },
           "a key of 5 bytes"},
          {[](SessionSpec& s) {
             s.labels = {{"a", "abcde"}};
           },
           "a value of 5 bytes, must have at most 4"},
      },
      [&](const SessionSpec& spec) { return CheckSessionSpec(spec, options, kRunner); });
}

TEST(SpecChecksTest, NamesWhatIsWrongWithATurn) {
  const EngineOptions options = {
      .max_prompt_tokens = 3, .max_generated_tokens = 50, .max_stop_strings = 2, .max_stop_string_bytes = 4};
  ExpectRefused<TurnSpec>(
      GoodTurn(),
      {
          {[](TurnSpec& t) { t.session_id = ""; }, "session_id: exactly one of"},
          {[](TurnSpec& t) { t.ephemeral = GoodSession(); }, "session_id: exactly one of"},
          {[](TurnSpec& t) {
             t.session_id = "";
             t.ephemeral = GoodSession();
             t.ephemeral->opening = {100};
           },
           "opening[0]: token 100"},
          {[](TurnSpec& t) { t.message.tokens = {}; }, "tokens: has 0 tokens, must have 1 to 3"},
          {[](TurnSpec& t) {
             t.message.tokens = {1, 2, 3, 4};
           },
           "tokens: has 4"},
          {[](TurnSpec& t) { t.message.tokens_if_first = std::vector<TokenId>{}; }, "tokens_if_first: has 0"},
          {[](TurnSpec& t) {
             t.message.tokens_if_first_after_system = std::vector<TokenId>{1, 2, 3, 4};
           },
           "tokens_if_first_after_system: has 4"},
          {[](TurnSpec& t) { t.sampling.top_p = 1.5f; }, "sampling.top_p: 1.5 is not in (0, 1]"},
          {[](TurnSpec& t) { t.sampling.temperature = std::numeric_limits<float>::quiet_NaN(); },
           "sampling.temperature: "},
          {[](TurnSpec& t) { t.max_tokens = -1; }, "max_tokens: -1 is not in [0, 50]"},
          {[](TurnSpec& t) { t.max_tokens = 51; }, "max_tokens: 51"},
          {[](TurnSpec& t) { t.max_tokens = 0; }, "needs ignore_end_of_turn"},
          {[](TurnSpec& t) {
             t.stop_strings = {"a", "b", "c"};
           },
           "stop_strings: has 3, must have at most 2"},
          {[](TurnSpec& t) {
             t.stop_strings = {"a", ""};
           },
           "stop_strings[1]: has 0 bytes"},
          {[](TurnSpec& t) { t.stop_strings = {"abcde"}; }, "stop_strings[0]: has 5 bytes, must have 1 to 4"},
      },
      [&](const TurnSpec& spec) { return CheckTurnSpec(spec, options, kRunner); });
}

TEST(SpecChecksTest, TakesAnEphemeralSessionAndAnEndlessTurn) {
  TurnSpec spec = GoodTurn();
  spec.session_id = "";
  spec.ephemeral = GoodSession();
  spec.ephemeral->idle_timeout = absl::ZeroDuration();  // it has no idle time
  spec.max_tokens = 0;
  spec.ignore_end_of_turn = true;
  EXPECT_TRUE(CheckTurnSpec(spec, {}, kRunner).ok());
}

TEST(SpecChecksTest, NamesWhatIsWrongWithAListing) {
  ExpectRefused<ListSpec>({.page_size = 1, .page_token = "", .state = std::nullopt},
                          {
                              {[](ListSpec& l) { l.page_size = 0; }, "page_size: 0 is not in [1, 1000]"},
                              {[](ListSpec& l) { l.page_size = 1001; }, "page_size: 1001"},
                              {[](ListSpec& l) { l.page_token = "mine"; }, "page_token: "},
                          },
                          [](const ListSpec& spec) { return CheckListSpec(spec, {}); });
}

TEST(SpecChecksTest, NamesWhatIsWrongWithAnUpdate) {
  ExpectRefused<SessionUpdate>({.idle_timeout = absl::Seconds(1), .labels = Labels{}},
                               {
                                   {[](SessionUpdate& u) { u.idle_timeout = -absl::Seconds(1); }, "idle_timeout: -1s"},
                                   {[](SessionUpdate& u) {
                                      u.labels = Labels{{"", ""}};
                                    },
                                    "labels: a key of 0"},
                               },
                               [](const SessionUpdate& update) { return CheckSessionUpdate(update, {}); });
  EXPECT_TRUE(CheckSessionUpdate({}, {}).ok());
}

}  // namespace
}  // namespace perennial
