// What every ModelRunner promises, as one parameterised suite. A runner's test program includes this header in one file
// and names the runner:
//
//   INSTANTIATE_TEST_SUITE_P(Fake, ModelRunnerContract, ::testing::Values(RunnerUnderTest{...}), RunnerName);
//
// Clauses on windows and streams are here; those on notes, memory, copies and refusals in
// model_runner_contract_parts.h, which this header includes.

#ifndef PERENNIAL_TESTS_MODEL_MODEL_RUNNER_CONTRACT_H_
#define PERENNIAL_TESTS_MODEL_MODEL_RUNNER_CONTRACT_H_

#include "tests/model/contract_stream.h"

namespace perennial {

struct RunnerUnderTest {
  std::string name;
  // How far two rows of logits may lie apart that arithmetic says are equal: 0 for the fake, rounding for floats. Rows
  // that must differ have to lie at least five times this apart.
  float tolerance = 0.0f;
  // A runner with cache memory for about `cache_tokens` slots. Its vocabulary has at least 16 tokens, a step takes at
  // least 64, a cache may have at least 64.
  std::function<std::unique_ptr<ModelRunner>(int64_t cache_tokens)> make;
};

inline std::string RunnerName(const ::testing::TestParamInfo<RunnerUnderTest>& runner) { return runner.param.name; }

class ModelRunnerContract : public ::testing::TestWithParam<RunnerUnderTest> {
 protected:
  static constexpr int64_t kCacheTokens = 1024;

  void SetUp() override {
    runner_ = GetParam().make(kCacheTokens);
    ASSERT_NE(runner_, nullptr);
    ASSERT_GE(runner_->limits().vocab_size, 16);
    ASSERT_GE(runner_->limits().max_tokens_per_step, 64);
    ASSERT_GE(runner_->limits().max_cache_tokens, 64);
  }

  std::vector<TokenId> Tokens(size_t count, uint32_t seed) {
    return SomeTokens(runner_->limits().vocab_size, count, seed);
  }

  void ExpectSame(const Rows& a, const Rows& b) { EXPECT_LE(MaxDifference(a, b), GetParam().tolerance); }
  void ExpectDifferent(const Rows& a, const Rows& b) { EXPECT_GT(MaxDifference(a, b), 5 * GetParam().tolerance); }

  std::unique_ptr<ModelRunner> runner_;
};

// Shapes with and without sinks and notes, down to the smallest.
inline std::vector<CacheShape> ContractShapes() {
  const auto shape = [](int32_t sinks, int32_t notes, int32_t window) {
    return CacheShape{.sink_tokens = sinks, .note_tokens = notes, .window_tokens = window};
  };
  return {shape(3, 0, 5), shape(4, 2, 9), shape(0, 0, 4), shape(0, 2, 4),
          shape(1, 0, 8), shape(2, 0, 1), shape(0, 0, 1), shape(30, 0, 4)};
}

// A stream crosses S, fills the window, goes round the ring several times; the chunks may be longer than the cache.
TEST_P(ModelRunnerContract, ChunkSizeDoesNotChangeLogits) {
  for (const CacheShape& shape : ContractShapes()) {
    const std::vector<TokenId> tokens = Tokens(24, 1);
    const Rows expected = ContractStream(*runner_, shape).Feed(tokens, 1);
    for (size_t chunk : {2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 23, 24}) {
      SCOPED_TRACE(testing::Message() << "S " << shape.sink_tokens << " W " << shape.window_tokens << " chunk "
                                      << chunk);
      ExpectSame(ContractStream(*runner_, shape).Feed(tokens, chunk), expected);
    }
  }
}

TEST_P(ModelRunnerContract, AnySplitIntoTwoChunksGivesTheSameLogits) {
  const CacheShape shape{.sink_tokens = 3, .note_tokens = 0, .window_tokens = 6};
  const std::vector<TokenId> tokens = Tokens(22, 2);
  const Rows expected = ContractStream(*runner_, shape).Feed(tokens, 1);
  for (size_t split = 1; split < tokens.size(); ++split) {
    SCOPED_TRACE(split);
    ContractStream stream(*runner_, shape);
    Rows rows = stream.Feed(absl::MakeSpan(tokens).first(split), split);
    for (std::vector<float>& row : stream.Feed(absl::MakeSpan(tokens).subspan(split), tokens.size())) {
      rows.push_back(std::move(row));
    }
    ExpectSame(rows, expected);
  }
}

TEST_P(ModelRunnerContract, TurnWiseWindowsAreChunkInvariant) {
  const CacheShape shape{.sink_tokens = 2, .note_tokens = 0, .window_tokens = 8};
  const std::vector<TokenId> tokens = Tokens(40, 3);
  SinkWindow window(shape, EvictionPolicy::kTurnWise);
  std::vector<int64_t> window_begins;
  for (int64_t t = 0; t < 40; ++t) {
    if (t % 5 == 0) window.BeginTurn();
    window_begins.push_back(window.Advance(1).front());
  }
  const Rows expected = ContractStream(*runner_, shape).FeedWith(tokens, window_begins, 1);
  for (size_t chunk : {2, 3, 5, 7, 8, 11, 40}) {
    SCOPED_TRACE(chunk);
    ExpectSame(ContractStream(*runner_, shape).FeedWith(tokens, window_begins, chunk), expected);
  }
  // And the policy matters: token by token evicted, the same text gives other logits.
  ExpectDifferent(ContractStream(*runner_, shape).Feed(tokens, 1), expected);
}

TEST_P(ModelRunnerContract, AnyValidWindowBeginsAreChunkInvariant) {
  for (uint32_t seed = 0; seed < 12; ++seed) {
    const CacheShape shape = ContractShapes()[seed % ContractShapes().size()];
    const std::vector<TokenId> tokens = Tokens(30, 40 + seed);
    const std::vector<int64_t> window_begins = SomeWindowBegins(shape, 0, 30, seed);
    const Rows expected = ContractStream(*runner_, shape).FeedWith(tokens, window_begins, 1);
    for (size_t chunk : {2, 5, 11, 30}) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << " chunk " << chunk);
      ExpectSame(ContractStream(*runner_, shape).FeedWith(tokens, window_begins, chunk), expected);
    }
  }
}

TEST_P(ModelRunnerContract, ServesAPromptLongerThanTheCacheInOneStep) {
  const CacheShape shape{.sink_tokens = 2, .note_tokens = 0, .window_tokens = 6};
  const std::vector<TokenId> tokens = Tokens(50, 5);
  const std::vector<TokenId> more = Tokens(10, 6);
  ContractStream one_step(*runner_, shape);
  ContractStream step_by_step(*runner_, shape);
  ExpectSame(one_step.Feed(tokens, 50), step_by_step.Feed(tokens, 1));
  EXPECT_EQ(one_step.cache().num_tokens(), 50);
  ExpectSame(one_step.Feed(more, 1), step_by_step.Feed(more, 1));
}

// Distances are distances inside the cache: when the window begins anew at a token, everything after it is as if what
// was in between had never been said. (True in every layer: nothing that saw the forgotten tokens is visible any more.)
TEST_P(ModelRunnerContract, WhatLeftTheWindowLeavesNoTrace) {
  for (const CacheShape& shape : {CacheShape{0, 0, 7}, CacheShape{3, 0, 7}, CacheShape{2, 2, 6}}) {
    for (int64_t forgotten : {1, 3, 6, 20, 41}) {
      SCOPED_TRACE(testing::Message() << "S " << shape.sink_tokens << " forgotten " << forgotten);
      const int64_t sinks = shape.sink_tokens;
      const std::vector<TokenId> head = Tokens(static_cast<size_t>(sinks), 7);
      const std::vector<TokenId> middle = Tokens(static_cast<size_t>(forgotten), 8);
      const std::vector<TokenId> tail = Tokens(7, 9);
      const std::vector<TokenId> notes = Tokens(static_cast<size_t>(shape.note_tokens), 10);
      ContractStream stream(*runner_, shape);
      stream.Feed(head, 64);
      stream.Feed(middle, 64);
      if (!notes.empty()) stream.WriteNotes(notes);
      ContractStream fresh(*runner_, shape);
      fresh.Feed(head, 64);
      if (!notes.empty()) fresh.WriteNotes(notes);
      const size_t count = static_cast<size_t>(shape.window_tokens);
      const std::vector<int64_t> window_begins(count, sinks + forgotten);
      ExpectSame(stream.FeedWith(absl::MakeSpan(tail).first(count), window_begins, 3),
                 fresh.Feed(absl::MakeSpan(tail).first(count), 2));
    }
  }
}

TEST_P(ModelRunnerContract, WindowOfOneWithoutSinksSeesOnlyTheToken) {
  ContractStream stream(*runner_, {.sink_tokens = 0, .note_tokens = 0, .window_tokens = 1});
  const Rows rows = stream.Feed(std::vector<TokenId>{5, 9, 5, 5, 3, 9}, 4);
  ExpectSame({rows[0], rows[0], rows[1]}, {rows[2], rows[3], rows[5]});
  ExpectDifferent({rows[0]}, {rows[1]});
}

TEST_P(ModelRunnerContract, SinksStayVisibleForEver) {
  const CacheShape shape{.sink_tokens = 2, .note_tokens = 0, .window_tokens = 4};
  std::vector<TokenId> tokens = Tokens(40, 11);
  const Rows rows = ContractStream(*runner_, shape).Feed(tokens, 7);
  tokens[1] = (tokens[1] + 1) % runner_->limits().vocab_size;
  const Rows changed = ContractStream(*runner_, shape).Feed(tokens, 7);
  ExpectDifferent({rows.back()}, {changed.back()});
}

TEST_P(ModelRunnerContract, BatchDoesNotChangeLogits) {
  // Six sessions of different shapes, lengths and chunk sizes, stepped together until the longest is done.
  struct Session {
    std::vector<TokenId> tokens;
    std::vector<int64_t> window_begins;
    size_t chunk;
    Rows expected;
    Rows rows;
    std::unique_ptr<ContractStream> stream;
  };
  std::vector<Session> sessions;
  for (uint32_t i = 0; i < 6; ++i) {
    const CacheShape shape = ContractShapes()[i];
    Session session;
    session.tokens = Tokens(12 + 5 * i, 60 + i);
    session.window_begins = SomeWindowBegins(shape, 0, static_cast<int64_t>(session.tokens.size()), 70 + i);
    session.chunk = 1 + i;
    session.expected = ContractStream(*runner_, shape).FeedWith(session.tokens, session.window_begins, session.chunk);
    session.stream = std::make_unique<ContractStream>(*runner_, shape);
    sessions.push_back(std::move(session));
  }
  StepOutput output;
  for (bool is_done = false; !is_done;) {
    std::vector<StepInput> batch;
    std::vector<Session*> members;
    for (Session& session : sessions) {
      const size_t at = session.rows.size();
      if (at == session.tokens.size()) continue;
      batch.push_back({.cache = &session.stream->cache(),
                       .part = Part::kStream,
                       .tokens = absl::MakeSpan(session.tokens).subspan(at, session.chunk),
                       .window_begin = absl::MakeSpan(session.window_begins).subspan(at, session.chunk),
                       .rows = LogitRows::kAll});
      members.push_back(&session);
    }
    is_done = batch.empty();
    if (is_done) break;
    const absl::Status status = runner_->Step(batch, output);
    ASSERT_TRUE(status.ok()) << status;
    for (size_t i = 0; i < batch.size(); ++i) {
      for (size_t row = 0; row < batch[i].tokens.size(); ++row) {
        members[i]->rows.emplace_back(output.Row(i, row).begin(), output.Row(i, row).end());
      }
    }
  }
  for (const Session& session : sessions) ExpectSame(session.rows, session.expected);
}

TEST_P(ModelRunnerContract, RowsAreThoseThatWereAskedFor) {
  const CacheShape shape{.sink_tokens = 2, .note_tokens = 3, .window_tokens = 6};
  const std::vector<TokenId> tokens = Tokens(9, 12);
  const std::vector<TokenId> notes = Tokens(2, 13);
  const Rows expected = ContractStream(*runner_, shape).Feed(tokens, 9);
  const std::vector<int64_t> window_begins = SinkWindow(shape, EvictionPolicy::kTokenWise).Advance(9);
  std::vector<ContractStream> streams;
  for (int i = 0; i < 4; ++i) streams.emplace_back(*runner_, shape);
  std::vector<StepInput> batch;
  for (LogitRows rows : {LogitRows::kNone, LogitRows::kAll, LogitRows::kLast}) {
    batch.push_back({&streams[batch.size()].cache(), Part::kStream, tokens, window_begins, rows});
  }
  batch.push_back({&streams[3].cache(), Part::kNotes, notes, {}, LogitRows::kNone});
  StepOutput output;
  const absl::Status status = runner_->Step(batch, output);
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_EQ(output.first_row.size(), 4u);
  EXPECT_EQ(output.vocab_size, runner_->limits().vocab_size);
  EXPECT_EQ(output.logits.size(), 10u * static_cast<size_t>(output.vocab_size));
  Rows all;
  for (size_t row = 0; row < 9; ++row) all.emplace_back(output.Row(1, row).begin(), output.Row(1, row).end());
  ExpectSame(all, expected);
  ExpectSame({{output.Row(2).begin(), output.Row(2).end()}}, {expected.back()});
  EXPECT_EQ(streams[0].cache().num_tokens(), 9);
  EXPECT_EQ(streams[3].cache().num_tokens(), 0);
  // One object serves steps of different sizes.
  ASSERT_TRUE(runner_->Step({batch[3]}, output).ok());
  EXPECT_TRUE(output.logits.empty());
}

TEST_P(ModelRunnerContract, RewindAndFeedAgainEqualsNeverHavingFed) {
  // Rewinds before the ring is full, after it went round, to its very edge, into the sinks and to nothing.
  const CacheShape shape{.sink_tokens = 4, .note_tokens = 0, .window_tokens = 8};
  for (const auto& [fed, rewound] : std::vector<std::pair<size_t, size_t>>{
           {10, 7}, {12, 12}, {12, 5}, {19, 15}, {30, 29}, {30, 23}, {30, 22}, {30, 4}, {30, 2}, {30, 0}, {3, 1}}) {
    SCOPED_TRACE(testing::Message() << "fed " << fed << " rewound to " << rewound);
    const std::vector<TokenId> tokens = Tokens(fed, 14);
    const std::vector<TokenId> other = Tokens(20, 15);
    ContractStream stream(*runner_, shape);
    stream.Feed(tokens, 5);
    stream.Rewind(static_cast<int64_t>(rewound));
    SinkWindow window = stream.window();
    ContractStream never(*runner_, shape);
    never.Feed(absl::MakeSpan(tokens).first(rewound), 64);
    ExpectSame(stream.Feed(other, 3), never.FeedWith(other, window.Advance(20), 1));
  }
}

TEST_P(ModelRunnerContract, RewindsCanFollowEachOther) {
  const CacheShape shape{.sink_tokens = 2, .note_tokens = 0, .window_tokens = 8};
  const std::vector<TokenId> tokens = Tokens(30, 16);
  ContractStream stream(*runner_, shape);
  stream.Feed(absl::MakeSpan(tokens).first(14), 14);
  stream.Feed(Tokens(4, 17), 4);
  stream.Rewind(14);
  stream.Feed(Tokens(2, 18), 1);
  stream.Rewind(14);
  SinkWindow window = stream.window();
  ContractStream never(*runner_, shape);
  never.Feed(absl::MakeSpan(tokens).first(14), 14);
  const absl::Span<const TokenId> rest = absl::MakeSpan(tokens).subspan(14);
  ExpectSame(stream.Feed(rest, 16), never.FeedWith(rest, window.Advance(16), 1));
}

TEST_P(ModelRunnerContract, UndoneTurnLeavesNoTraceBelowWhatItOverwrote) {
  // The undone turn is longer than the window, or shorter, or crosses the sinks.
  const CacheShape shape{.sink_tokens = 3, .note_tokens = 0, .window_tokens = 8};
  for (const auto& [kept, undone] :
       std::vector<std::pair<size_t, size_t>>{{20, 30}, {20, 8}, {20, 3}, {5, 3}, {5, 9}, {3, 20}, {1, 20}, {0, 4}}) {
    SCOPED_TRACE(testing::Message() << "kept " << kept << " undone " << undone);
    const std::vector<TokenId> tokens = Tokens(kept, 19);
    const std::vector<TokenId> next = Tokens(15, 20);
    ContractStream stream(*runner_, shape);
    stream.Feed(tokens, 64);
    const int64_t before = stream.window().horizon();
    stream.Feed(Tokens(undone, 21), 7);
    stream.window().Undo(static_cast<int64_t>(kept), before);
    ASSERT_TRUE(runner_->Truncate(stream.cache(), static_cast<int64_t>(kept)).ok());
    SinkWindow window = stream.window();
    ContractStream never(*runner_, shape);
    never.Feed(tokens, 64);
    ExpectSame(stream.Feed(next, 4), never.FeedWith(next, window.Advance(15), 1));
  }
}

}  // namespace perennial

#include "tests/model/model_runner_contract_parts.h"  // IWYU pragma: export

#endif  // PERENNIAL_TESTS_MODEL_MODEL_RUNNER_CONTRACT_H_
