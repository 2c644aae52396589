#include "server/engine/eviction_notice.h"

#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace perennial {
namespace {

CacheShape Shape(int32_t sinks, int32_t window) {
  return {.sink_tokens = sinks, .note_tokens = 0, .window_tokens = window};
}

// A stream whose turns begin where the test says, asked for notices before every token.
class Stream {
 public:
  Stream(const CacheShape& shape, EvictionPolicy policy, int64_t notice_tokens)
      : window_(shape, policy), notice_tokens_(notice_tokens), noticed_horizon_(shape.sink_tokens) {}

  void BeginTurn() {
    window_.BeginTurn();
    starts_.Add(++turn_, window_.num_tokens());
  }

  // The notice before the next token, if there is one; then the token.
  std::optional<TurnWillEvict> Feed() {
    std::optional<TurnWillEvict> notice = NoticeEviction(window_, starts_, notice_tokens_, noticed_horizon_);
    if (notice.has_value()) CheckNotice(*notice);
    const int64_t before = window_.horizon();
    window_.Advance(1);
    if (window_.horizon() > before) CheckThatItWasTold(before);
    return notice;
  }

  const SinkWindow& window() const { return window_; }

 private:
  // The first token of what a notice is about.
  int64_t BoundaryOf(int64_t turn) const {
    for (int64_t t = window_.shape().sink_tokens; t <= window_.num_tokens(); ++t) {
      if (starts_.TurnOf(t) == turn) return t;
    }
    return -1;
  }

  void CheckNotice(const TurnWillEvict& notice) {
    EXPECT_GT(notice.first_turn, told_) << "told twice";
    EXPECT_GE(notice.last_turn, notice.first_turn);
    EXPECT_GE(notice.in_tokens, 1);
    EXPECT_LE(notice.in_tokens, notice_tokens_);
    told_ = notice.last_turn;
    SinkWindow ahead = window_;
    ahead.Advance(notice.in_tokens - 1);
    EXPECT_LE(ahead.horizon(), BoundaryOf(notice.first_turn)) << "too late";
    ahead.Advance(1);
    EXPECT_GT(ahead.horizon(), BoundaryOf(notice.first_turn)) << "too early";
  }

  // The horizon has just moved on from `before`: whose first token went must have been told of.
  void CheckThatItWasTold(int64_t before) {
    for (int64_t t = before; t < window_.horizon(); ++t) {
      if (BoundaryOf(starts_.TurnOf(t)) == t) {
        EXPECT_LE(starts_.TurnOf(t), told_) << "token " << t;
      }
    }
  }

  SinkWindow window_;
  TurnStarts starts_;
  const int64_t notice_tokens_;
  int64_t noticed_horizon_;
  int64_t turn_ = 0;
  int64_t told_ = -1;  // the last turn that a notice named
};

TEST(EvictionNoticeTest, EveryTurnIsAnnouncedOnceBeforeItBeginsToBeForgotten) {
  for (uint32_t seed = 0; seed < 500 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const auto below = [&random](uint32_t limit) { return static_cast<int32_t>(random() % limit); };
    const CacheShape shape = Shape(below(4), 3 + below(20));
    Stream stream(shape, below(2) == 0 ? EvictionPolicy::kTokenWise : EvictionPolicy::kTurnWise, 1 + below(12));
    int notices = 0;
    const auto mean_turn = static_cast<uint32_t>(1 + below(10));
    for (int token = 0; token < 300; ++token) {
      if (below(mean_turn) == 0) stream.BeginTurn();
      if (stream.Feed().has_value()) ++notices;
    }
    EXPECT_GT(notices, 0);
  }
}

TEST(EvictionNoticeTest, TokenWiseTellsTheDistanceToTheTurn) {
  Stream stream(Shape(2, 10), EvictionPolicy::kTokenWise, 4);
  std::vector<std::optional<TurnWillEvict>> notices;
  for (int token = 0; token < 20; ++token) {
    if (token == 5 || token == 9) stream.BeginTurn();
    notices.push_back(stream.Feed());
  }
  // Token 12 pushes out token 2 of the opening; before token 9 that is 4 tokens ahead.
  ASSERT_TRUE(notices[9].has_value());
  EXPECT_EQ(notices[9]->in_tokens, 4);
  EXPECT_EQ(notices[9]->first_turn, 0);
  EXPECT_EQ(notices[9]->last_turn, 0);
  // Token 15 pushes out token 5, where the first turn begins.
  ASSERT_TRUE(notices[12].has_value());
  EXPECT_EQ(notices[12]->first_turn, 1);
  ASSERT_TRUE(notices[16].has_value());
  EXPECT_EQ(notices[16]->first_turn, 2);
  for (const int quiet : {0, 8, 10, 11, 13, 14, 15, 17, 18, 19}) EXPECT_FALSE(notices[quiet].has_value()) << quiet;
}

TEST(EvictionNoticeTest, TurnWiseNamesAllTurnsThatGoTogether) {
  Stream stream(Shape(0, 12), EvictionPolicy::kTurnWise, 3);
  std::vector<std::optional<TurnWillEvict>> notices;
  for (int token = 0; token < 14; ++token) {
    if (token == 0 || token == 6) stream.BeginTurn();
    notices.push_back(stream.Feed());
  }
  // Token 12 needs room: turn 1 goes as a whole.
  ASSERT_TRUE(notices[10].has_value());
  EXPECT_EQ(notices[10]->in_tokens, 3);
  EXPECT_EQ(notices[10]->first_turn, 1);
  EXPECT_EQ(notices[10]->last_turn, 1);
  EXPECT_EQ(stream.window().horizon(), 6);
}

TEST(EvictionNoticeTest, ALongPromptIsToldOfBeforeItIsFed) {
  for (const EvictionPolicy policy : {EvictionPolicy::kTokenWise, EvictionPolicy::kTurnWise}) {
    SinkWindow window(Shape(2, 20), policy);
    TurnStarts starts;
    window.Advance(4);
    window.BeginTurn();
    starts.Add(1, 4);
    window.Advance(6);
    int64_t noticed = 2;
    EXPECT_FALSE(NoticeEviction(window, starts, {.unfed_tokens = 2, .own_tokens = 3, .turn = 2}, 1, noticed));
    // Ten tokens are fed; the window is full after twelve more. Of 100 even the prompt's own beginning goes.
    std::optional<TurnWillEvict> notice =
        NoticeEviction(window, starts, {.unfed_tokens = 2, .own_tokens = 100, .turn = 2}, 1, noticed);
    ASSERT_TRUE(notice.has_value());
    EXPECT_EQ(notice->in_tokens, 13);
    EXPECT_EQ(notice->first_turn, 0);
    EXPECT_EQ(notice->last_turn, 2);
    EXPECT_EQ(noticed, 10 + 102 - 20);
    EXPECT_FALSE(NoticeEviction(window, starts, {.unfed_tokens = 2, .own_tokens = 100, .turn = 2}, 1, noticed));
  }
}

}  // namespace
}  // namespace perennial
