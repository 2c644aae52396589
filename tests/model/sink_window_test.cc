// SinkWindow against a naive model over all small worlds.

#include "model/sink_window.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <limits>
#include <random>
#include <vector>

#include "tests/model/naive_window.h"

namespace perennial {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr EvictionPolicy kPolicies[] = {EvictionPolicy::kTokenWise, EvictionPolicy::kTurnWise};

CacheShape Shape(int32_t sinks, int32_t notes, int32_t window) {
  return {.sink_tokens = sinks, .note_tokens = notes, .window_tokens = window};
}

// Both side by side; every operation checks that they agree and that the invariants hold.
class Pair {
 public:
  Pair(const CacheShape& shape, EvictionPolicy policy) : shape_(shape), window_(shape, policy), naive_(shape, policy) {}

  SinkWindow& window() { return window_; }
  NaiveWindow& naive() { return naive_; }

  void BeginTurn() {
    window_.BeginTurn();
    naive_.BeginTurn();
  }

  void Feed(int64_t count) {
    std::vector<int64_t> foreseen;
    for (int64_t ahead = 1; ahead <= count; ++ahead) foreseen.push_back(window_.HorizonAfter(ahead));
    ASSERT_EQ(window_.HorizonAfter(0), window_.horizon());
    const std::vector<int64_t> window_begins = window_.Advance(count);
    ASSERT_EQ(window_begins, foreseen);
    for (const int64_t b : window_begins) {
      const int64_t t = naive_.num_tokens();
      const int64_t previous = naive_.horizon();
      ASSERT_EQ(SlotOf(shape_, t), naive_.slot_of(t));
      ASSERT_EQ(b, naive_.FeedOne()) << "token " << t;
      ASSERT_GE(b, previous) << "b decreased at " << t;
      const TokenSet visible = naive_.VisibleToNewest();
      // All that a token sees still lies in its own slot, and p(t) counts exactly what lies before it.
      ASSERT_EQ(naive_.Readable(), visible) << "token " << t;
      for (int32_t notes = 0; notes <= shape_.note_tokens; ++notes) {
        const int32_t place = PlaceOf(shape_, notes, t, b);
        const int32_t seen_notes = t < shape_.sink_tokens ? 0 : notes;
        ASSERT_EQ(place, std::popcount(visible) + seen_notes - 1);
        ASSERT_LT(place, shape_.capacity());
      }
    }
    CheckState();
  }

  void Rewind(int64_t r) {
    ASSERT_EQ(window_.CanRewind(r), naive_.CanRewind(r));
    window_.Rewind(r);
    naive_.GoBack(r);
    CheckState();
  }

  void Undo(int64_t r, int64_t before, TokenSet readable_before) {
    const int64_t lost = window_.Undo(r, before);
    naive_.GoBack(r);
    const TokenSet still_in_stream = Only(r) - 1;
    const int64_t expected = std::popcount(readable_before & still_in_stream & ~naive_.Readable());
    ASSERT_EQ(lost, expected);
    CheckState();
  }

  void CheckState() {
    ASSERT_EQ(window_.num_tokens(), naive_.num_tokens());
    ASSERT_EQ(window_.horizon(), naive_.horizon());
    ASSERT_GE(window_.horizon(), shape_.sink_tokens);
    ASSERT_EQ(window_.forgotten_tokens(), window_.horizon() - shape_.sink_tokens);
    ASSERT_EQ(window_.visible_tokens(), std::popcount(naive_.Readable()));
    ASSERT_LE(window_.visible_tokens(), shape_.sink_tokens + shape_.window_tokens);
  }

 private:
  CacheShape shape_;
  SinkWindow window_;
  NaiveWindow naive_;
};

// Calls `body(shape, policy)` for all S 0 … 4, N 0 … `max_notes`, W 1 … 8 and both policies.
template <typename Body>
void ForAllSmallShapes(int32_t max_notes, const Body& body) {
  for (int32_t sinks = 0; sinks <= 4; ++sinks) {
    for (int32_t notes = 0; notes <= max_notes; ++notes) {
      for (int32_t window = 1; window <= 8; ++window) {
        for (EvictionPolicy policy : kPolicies) {
          SCOPED_TRACE(testing::Message()
                       << "S " << sinks << " N " << notes << " W " << window << " policy " << static_cast<int>(policy));
          body(Shape(sinks, notes, window), policy);
          if (testing::Test::HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST(SinkWindowTest, AgreesWithNaiveModelForPeriodicTurns) {
  ForAllSmallShapes(2, [](const CacheShape& shape, EvictionPolicy policy) {
    for (int64_t period = 1; period <= 20; ++period) {
      for (int64_t offset = 0; offset < std::min<int64_t>(period, 4); ++offset) {
        Pair pair(shape, policy);
        for (int64_t t = 0; t < 40; ++t) {
          if (t % period == offset) pair.BeginTurn();
          pair.Feed(1);
        }
      }
    }
  });
}

// Every pattern of turn starts in 13 tokens, without notes (they do not touch b) and for windows that it can fill.
TEST(SinkWindowTest, AgreesWithNaiveModelForEveryPatternOfTurns) {
  constexpr int64_t kTokens = 13;
  for (int32_t sinks : {0, 1, 3}) {
    for (int32_t window = 1; window <= 8; ++window) {
      for (uint32_t pattern = 0; pattern < (1u << kTokens); ++pattern) {
        SinkWindow fast(Shape(sinks, 0, window), EvictionPolicy::kTurnWise);
        NaiveWindow naive(Shape(sinks, 0, window), EvictionPolicy::kTurnWise);
        for (int64_t t = 0; t < kTokens; ++t) {
          if ((pattern >> t) & 1u) {
            fast.BeginTurn();
            naive.BeginTurn();
          }
          ASSERT_EQ(fast.Advance(1).front(), naive.FeedOne())
              << "S " << sinks << " W " << window << " pattern " << pattern << " token " << t;
        }
      }
    }
  }
}

TEST(SinkWindowTest, ChunksGiveTheSameWindowBegins) {
  ForAllSmallShapes(0, [](const CacheShape& shape, EvictionPolicy policy) {
    for (int64_t first = 0; first <= 20; ++first) {
      for (int64_t second = 0; second <= 20; second += 5) {
        Pair pair(shape, policy);
        pair.BeginTurn();
        pair.Feed(first);
        pair.BeginTurn();
        pair.Feed(second);
        pair.BeginTurn();
        pair.Feed(40 - first - second);
      }
    }
  });
}

TEST(SinkWindowTest, RewindsAtEveryPointToEveryPoint) {
  ForAllSmallShapes(0, [](const CacheShape& shape, EvictionPolicy policy) {
    for (int64_t fed = 0; fed <= 22; ++fed) {
      for (int64_t r = 0; r <= fed; ++r) {
        for (int64_t period : {3, 7}) {
          Pair pair(shape, policy);
          for (int64_t t = 0; t < fed; ++t) {
            if (t % period == 0) pair.BeginTurn();
            pair.Feed(1);
          }
          ASSERT_EQ(pair.window().CanRewind(r), pair.naive().CanRewind(r));
          if (!pair.window().CanRewind(r)) continue;
          pair.Rewind(r);
          // "Afterwards also b >= highest index ever written - W + 1", at most r.
          if (r > shape.sink_tokens) {
            ASSERT_GE(pair.window().horizon(), std::min(r, fed - 1 - shape.window_tokens + 1));
          } else {
            ASSERT_EQ(pair.window().horizon(), shape.sink_tokens);
          }
          pair.BeginTurn();
          for (int64_t t = r; t < 26; ++t) {
            if (t % 5 == 0) pair.BeginTurn();
            pair.Feed(1);
          }
        }
      }
    }
  });
}

TEST(SinkWindowTest, UndoesATurnOfAnyLengthAtEveryPoint) {
  ForAllSmallShapes(0, [](const CacheShape& shape, EvictionPolicy policy) {
    for (int64_t kept = 0; kept <= 18; ++kept) {
      for (int64_t undone = 0; undone <= 12; ++undone) {
        Pair pair(shape, policy);
        for (int64_t t = 0; t < kept; ++t) {
          if (t % 4 == 0) pair.BeginTurn();
          pair.Feed(1);
        }
        const int64_t before = pair.window().horizon();
        const TokenSet readable = pair.naive().Readable();
        pair.BeginTurn();
        pair.Feed(undone);
        pair.Undo(kept, before, readable);
        pair.BeginTurn();
        pair.Feed(10);
      }
    }
  });
}

TEST(SinkWindowTest, AnyOrderOfOperationsAgreesWithNaiveModel) {
  for (uint32_t seed = 0; seed < 4000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const auto below = [&random](int64_t limit) {
      return static_cast<int64_t>(random() % static_cast<uint32_t>(limit));
    };
    Pair pair(Shape(static_cast<int32_t>(below(5)), static_cast<int32_t>(below(3)), static_cast<int32_t>(1 + below(8))),
              kPolicies[below(2)]);
    for (int step = 0; step < 40; ++step) {
      switch (below(5)) {
        case 0:
          pair.BeginTurn();
          break;
        case 1: {
          const int64_t r = below(pair.window().num_tokens() + 1);
          ASSERT_EQ(pair.window().CanRewind(r), pair.naive().CanRewind(r));
          if (pair.window().CanRewind(r)) pair.Rewind(r);
          break;
        }
        case 2: {
          const int64_t start = pair.window().num_tokens();
          const int64_t before = pair.window().horizon();
          const TokenSet readable = pair.naive().Readable();
          pair.BeginTurn();
          pair.Feed(std::min(below(14), kMaxTokens - 1 - start));
          pair.Undo(start, before, readable);
          break;
        }
        default:
          pair.Feed(std::min(1 + below(6), kMaxTokens - 1 - pair.window().num_tokens()));
      }
      if (HasFatalFailure()) return;
    }
  }
}

TEST(SinkWindowTest, KeepsSinksForEverAndTheNewestTokens) {
  SinkWindow window(Shape(2, 0, 3), EvictionPolicy::kTokenWise);
  EXPECT_THAT(window.Advance(9), ElementsAre(2, 2, 2, 2, 2, 3, 4, 5, 6));
  EXPECT_EQ(window.visible_tokens(), 5);
  EXPECT_EQ(window.forgotten_tokens(), 4);
}

TEST(SinkWindowTest, TurnWiseWindowBeginsAtATurnThatKeepsHalf) {
  SinkWindow window(Shape(1, 0, 6), EvictionPolicy::kTurnWise);
  window.Advance(4);
  window.BeginTurn();  // token 4
  EXPECT_THAT(window.Advance(5), ElementsAre(1, 1, 1, 4, 4));
  // A turn longer than the window: token by token.
  EXPECT_THAT(window.Advance(3), ElementsAre(4, 5, 6));
}

TEST(SinkWindowTest, TurnWiseWindowIsNotEmptiedByAYoungTurn) {
  SinkWindow window(Shape(0, 0, 6), EvictionPolicy::kTurnWise);
  window.Advance(5);
  window.BeginTurn();  // token 5: at token 6 it has 2 tokens, less than half of 6; at token 7 three
  EXPECT_THAT(window.Advance(4), ElementsAre(0, 1, 5, 5));
}

TEST(SinkWindowTest, OddWindowsRoundHalfUp) {
  // W = 5: a turn start must keep 3 tokens, 2 are less than half.
  SinkWindow window(Shape(0, 0, 5), EvictionPolicy::kTurnWise);
  window.Advance(4);
  window.BeginTurn();  // token 4
  EXPECT_THAT(window.Advance(3), ElementsAre(0, 1, 4));
}

TEST(SinkWindowTest, TokenWiseIgnoresTurnStarts) {
  SinkWindow window(Shape(0, 0, 6), EvictionPolicy::kTokenWise);
  window.Advance(3);
  window.BeginTurn();
  EXPECT_THAT(window.Advance(6), ElementsAre(0, 0, 0, 1, 2, 3));
}

TEST(SinkWindowTest, IndicesPastThirtyTwoBitsWork) {
  // A stream of 10^10 tokens cannot be fed here; slots and places are plain arithmetic on the index.
  const CacheShape shape = Shape(4, 2, 1018);
  const int64_t t = int64_t{10'000'000'000};
  EXPECT_EQ(SlotOf(shape, t), 6 + (t - 4) % 1018);
  EXPECT_EQ(PlaceOf(shape, 2, t, t - 1017), 1023);
}

TEST(SinkWindowTest, UndoReportsWhatTheTurnPushedOut) {
  SinkWindow window(Shape(2, 0, 4), EvictionPolicy::kTokenWise);
  window.Advance(8);
  EXPECT_EQ(window.horizon(), 4);
  SinkWindow longer = window;
  window.Advance(3);
  EXPECT_EQ(window.Undo(8, 4), 3);
  EXPECT_EQ(window.horizon(), 7);
  longer.Advance(30);
  EXPECT_FALSE(longer.CanRewind(8));
  EXPECT_EQ(longer.Undo(8, 4), 4);
  EXPECT_EQ(longer.horizon(), 8);
  EXPECT_EQ(longer.visible_tokens(), 2);
}

TEST(CacheShapeTest, NamesTheBadSize) {
  EXPECT_TRUE(ValidateCacheShape(Shape(0, 0, 1), 1).ok());
  EXPECT_TRUE(ValidateCacheShape(Shape(4, 2, 10), 16).ok());
  EXPECT_THAT(ValidateCacheShape(Shape(-1, 0, 4), 16).message(), HasSubstr("sink_tokens is -1"));
  EXPECT_THAT(ValidateCacheShape(Shape(0, -2, 4), 16).message(), HasSubstr("note_tokens is -2"));
  EXPECT_THAT(ValidateCacheShape(Shape(0, 0, 0), 16).message(), HasSubstr("window_tokens is 0"));
  EXPECT_THAT(ValidateCacheShape(Shape(4, 2, 11), 16).message(), HasSubstr("17 tokens"));
  const int32_t most = std::numeric_limits<int32_t>::max();
  EXPECT_EQ(ValidateCacheShape(Shape(most, most, most), most).code(), absl::StatusCode::kInvalidArgument);
}

TEST(SinkWindowDeathTest, RewindPastTheHorizonIsABug) {
  SinkWindow window(Shape(2, 0, 4), EvictionPolicy::kTokenWise);
  window.Advance(20);
  EXPECT_FALSE(window.CanRewind(10));
  EXPECT_DEATH(window.Rewind(10), "sink_window.cc:[0-9]+: check failed: CanRewind");
}

}  // namespace
}  // namespace perennial
