// Step and Apply: batches, limits, failures; and that a session's text depends on nothing but its own stream.

#include <algorithm>
#include <cmath>
#include <list>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/engine/engine_fixture.h"
#include "tests/server/engine/stream_oracle.h"

namespace perennial {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class TurnStepsTest : public EngineFixture {};

TEST_F(TurnStepsTest, KeepsTheLimitsOfAStep) {
  options_.max_step_tokens = 20;
  options_.prefill_chunk_tokens = 8;
  fake_.before_step = [&](absl::Span<const StepInput> batch) {
    size_t total = 0, prefill = 0, decodes = 0;
    for (const StepInput& input : batch) {
      EXPECT_LE(input.tokens.size(), 8u);
      total += input.tokens.size();
      // In this test every prompt is long, so that one token is a decode or the rest of a prompt.
      (input.tokens.size() > 1 ? prefill : decodes) += input.tokens.size();
    }
    EXPECT_LE(total, 20u);
    if (decodes > 0) {
      EXPECT_LE(prefill, 8u);
    }
  };
  std::list<RecordingTurnSink> sinks;
  for (int i = 0; i < 12; ++i) {
    engine().Submit(Turn(CreateSession(), std::string(50 + 8 * static_cast<size_t>(i), 'p'), 30),
                    &sinks.emplace_back());
  }
  RunUntilIdle();
  for (const RecordingTurnSink& sink : sinks) EXPECT_TRUE(sink.result().status.ok());
  EXPECT_LE(runner().counters().largest_step_tokens, 20);
  EXPECT_GE(runner().counters().largest_step_tokens, 16) << "two chunks share a step while nobody decodes";
  EXPECT_EQ(runner().counters().stream_tokens, engine().Stats().step_tokens);
}

TEST_F(TurnStepsTest, AsksForLogitsOnlyWhereItSamples) {
  options_.prefill_chunk_tokens = 10;
  RecordingTurnSink sink;
  const TurnResult result = Run(Turn(CreateSession(), std::string(100, 'p'), 5), sink);
  EXPECT_EQ(runner().counters().logit_rows, result.usage.generated_tokens);
}

// The same three-turn session, alone and among others, in chunks and steps of any size.
struct Company {
  int32_t max_step_tokens;
  int32_t prefill_chunk_tokens;
  int others;
};
class CompanyTest : public EngineFixture, public testing::WithParamInterface<Company> {};

TEST_P(CompanyTest, DoesNotChangeWhatASessionSays) {
  options_.max_step_tokens = GetParam().max_step_tokens;
  options_.prefill_chunk_tokens = GetParam().prefill_chunk_tokens;
  const std::string session = CreateSession();
  StreamOracle oracle(FakeScript(), Spec({kBos}), end_tokens_, reply_end_);
  std::list<RecordingTurnSink> others;
  for (int i = 0; i < GetParam().others; ++i) {
    TurnSpec spec = Turn(CreateSession({kBos, static_cast<TokenId>('A' + i)}), std::string(3 + 40 * (i % 3), 'o'), 300);
    spec.sampling = {.temperature = 1.0f, .seed = static_cast<uint64_t>(i)};
    engine().Submit(spec, &others.emplace_back());
  }
  for (const size_t length : {5u, 190u, 20u}) {
    TurnSpec spec = Turn(session, std::string(length, 'm'), 60);
    spec.sampling = {.temperature = 0.9f, .top_p = 0.95f, .repetition_penalty = 1.2f, .seed = 42};
    RecordingTurnSink sink;
    engine().Submit(spec, &sink);
    while (!sink.finished()) ASSERT_TRUE(RunOnce());
    const StreamOracle::Reply reply = oracle.Say(spec);
    EXPECT_EQ(sink.text(), reply.text);
    EXPECT_EQ(sink.result().reason, reply.reason);
    EXPECT_EQ(sink.result().usage.generated_tokens, reply.generated);
  }
  RunUntilIdle();
}

INSTANTIATE_TEST_SUITE_P(All, CompanyTest,
                         testing::Values(Company{512, 512, 0}, Company{512, 1, 0}, Company{1, 1, 0}, Company{512, 7, 8},
                                         Company{64, 64, 8}, Company{5, 3, 8}, Company{1, 1, 3}),
                         [](const testing::TestParamInfo<Company>& company) {
                           return "Step" + std::to_string(company.param.max_step_tokens) + "Chunk" +
                                  std::to_string(company.param.prefill_chunk_tokens) + "Others" +
                                  std::to_string(company.param.others);
                         });

TEST_F(TurnStepsTest, DropsTheSessionsOfAFailedStepAndNoOthers) {
  options_.prefill_chunk_tokens = 4;
  fake_.script = [](const FakeSight&) { return TokenId{'x'}; };
  const std::string idle = CreateSession();
  const std::string failing = CreateSession();
  const std::string prefilling = CreateSession();
  RecordingTurnSink decoding_sink, prefilling_sink, waiting_sink;
  Say(idle, "a", 3);
  engine().Submit(Turn(failing, "a", 1000), &decoding_sink);
  RunOnce();
  engine().Submit(Turn(prefilling, std::string(1000, 'p')), &prefilling_sink);
  engine().Submit(Turn(failing, "b"), &waiting_sink);
  RunOnce();
  runner().FailStep(1, absl::InternalError("device lost: secret"));
  RunUntilIdle();
  for (const RecordingTurnSink* sink : {&decoding_sink, &prefilling_sink, &waiting_sink}) {
    EXPECT_EQ(ReasonOf(sink->result().status), ErrorReason::kModelFailure);
    EXPECT_THAT(std::string(sink->result().status.message()), testing::Not(HasSubstr("secret")));
  }
  ASSERT_THAT(failures_, SizeIs(1));
  EXPECT_THAT(std::string(failures_[0].message()), HasSubstr("device lost"));
  EXPECT_EQ(engine().Stats().sessions_failed, 2);
  EXPECT_EQ(runner().counters().live_caches, 1);
  EXPECT_EQ(ReasonOf(GetSession(failing).status()), ErrorReason::kSessionNotFound);
  EXPECT_EQ(Say(idle, "b", 3), "xxx") << "a session that was not in the step goes on";
}

TEST_F(TurnStepsTest, DropsASessionWhoseLogitsAreNoNumbers) {
  fake_.script = [](const FakeSight&) { return TokenId{'x'}; };
  const std::string broken = CreateSession();
  RecordingTurnSink broken_sink;
  engine().Submit(Turn(broken, "a", 100), &broken_sink);
  RunOnce();
  runner().PoisonStep(1);
  const std::string other = CreateSession();  // the poisoned step is this pass's
  RunUntilIdle();
  EXPECT_EQ(ReasonOf(broken_sink.result().status), ErrorReason::kModelFailure);
  EXPECT_EQ(broken_sink.result().usage.generated_tokens, 1);
  EXPECT_THAT(failures_, SizeIs(1));
  EXPECT_EQ(engine().Stats().sessions_failed, 1);
  EXPECT_EQ(Say(other, "a", 3), "xxx");
}

TEST_F(TurnStepsTest, CountsWhatItDoes) {
  fake_.script = RepliesOfLength(kStart, 9, {'x'}, kEndToken);
  int64_t fed = 0, generated = 0, evicted = 0, prompt = 0;
  for (int i = 0; i < 3; ++i) {
    const std::string session = CreateSession();
    for (int turn = 0; turn < 10; ++turn) {
      RecordingTurnSink sink;
      const TurnResult result = Run(Turn(session, "hello"), sink);
      fed += result.usage.fed_tokens;
      generated += result.usage.generated_tokens;
      evicted += result.usage.evicted_tokens;
      prompt += sink.EventsOf<TurnStarted>()[0].prompt_tokens;
      EXPECT_EQ(result.memory.forgotten_tokens > 0, evicted > 0 && result.memory.stream_tokens > 64);
    }
  }
  const EngineStats stats = engine().Stats();
  EXPECT_EQ(stats.sessions, 3);
  EXPECT_EQ(stats.sessions_created, 3);
  EXPECT_EQ(stats.cache_bytes, 3 * 64 * FakeModelRunner::kRowBytes);
  EXPECT_EQ(stats.turns_started, 30);
  EXPECT_EQ(stats.turns_finished, 30);
  EXPECT_EQ(stats.step_tokens, fed);
  EXPECT_EQ(stats.prefill_tokens, prompt);
  EXPECT_EQ(stats.generated_tokens, generated);
  EXPECT_EQ(stats.evicted_tokens, evicted);
  EXPECT_GT(evicted, 0);
  EXPECT_EQ(stats.steps, runner().counters().steps);
}

TEST_F(TurnStepsTest, TimesTurnsAndSteps) {
  fake_.script = [](const FakeSight&) { return TokenId{'x'}; };
  fake_.before_step = [&](absl::Span<const StepInput>) { clock_.Advance(absl::Seconds(2)); };
  options_.prefill_chunk_tokens = 4;
  RecordingTurnSink sink;
  engine().Submit(Turn(CreateSession(), "abcdefghij", 3), &sink);  // 12 tokens: three chunks
  clock_.Advance(absl::Seconds(1));
  RunUntilIdle();
  const TurnTiming timing = sink.result().timing;
  EXPECT_EQ(timing.queue, absl::Seconds(1));
  EXPECT_EQ(timing.prefill, absl::Seconds(6));
  EXPECT_EQ(timing.first_token, absl::Seconds(7));
  EXPECT_EQ(timing.decode, absl::Seconds(4));
  EXPECT_EQ(engine().Stats().step_time, absl::Seconds(10));
  EXPECT_EQ(engine().Stats().max_step_time, absl::Seconds(2));
  EXPECT_EQ(engine().Stats().uptime, absl::Seconds(11));
}

}  // namespace
}  // namespace perennial
