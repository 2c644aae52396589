// What sampling a turn asks for does to its reply, its stream and its events. Through the engine.

#include "server/engine/reply_sampler.h"

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fake_token_constraint.h"
#include "tests/server/engine/engine_fixture.h"

namespace perennial {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class ReplySamplerTest : public EngineFixture {
 protected:
  ReplySamplerTest() {
    // Keeps every token that is run, in order: what the stream really was.
    fake_.before_step = [this](absl::Span<const StepInput> batch) {
      for (const StepInput& input : batch) fed_.insert(fed_.end(), input.tokens.begin(), input.tokens.end());
    };
    fake_.script = RepliesOfLength(kStart, 3, {'x'}, kEndToken);
  }

  std::vector<TokenId> fed_;
};

TEST_F(ReplySamplerTest, AStopTokenEndsTheReplyAndStaysInTheStream) {
  const std::string session = CreateSession();
  TurnSpec spec = Turn(session, "a");
  spec.stop_tokens = {'q', 'x'};
  RecordingTurnSink sink;
  const TurnResult result = Run(spec, sink);
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.reason, FinishReason::kStopToken);
  EXPECT_EQ(result.usage.generated_tokens, 1);
  EXPECT_EQ(sink.text(), "");
  fed_.clear();
  Say(session, "b", 1);
  EXPECT_THAT(fed_, ElementsAre('x', kTurnEnd, kNewline, 'b', kStart));
}

TEST_F(ReplySamplerTest, AnEndTokenCanBeAStopTokenWhereEndTokensAreIgnored) {
  const std::string session = CreateSession();
  TurnSpec spec = Turn(session, "a");
  spec.ignore_end_of_turn = true;
  spec.stop_tokens = {kEndToken};
  RecordingTurnSink sink;
  EXPECT_EQ(Run(spec, sink).reason, FinishReason::kStopToken);
  EXPECT_EQ(sink.text(), "xxx");
  fed_.clear();
  Say(session, "b", 1);
  EXPECT_THAT(fed_, ElementsAre(kTurnEnd, kNewline, 'b', kStart)) << "the end of reply stands in its place";
}

TEST_F(ReplySamplerTest, NothingEndsTheReplyBeforeMinTokens) {
  for (const TokenId stop : {kNoToken, TokenId{'x'}}) {
    const std::string session = CreateSession();
    TurnSpec spec = Turn(session, "a");
    spec.min_tokens = 7;
    if (stop != kNoToken) spec.stop_tokens = {stop};
    RecordingTurnSink sink;
    const TurnResult result = Run(spec, sink);
    EXPECT_TRUE(result.status.ok());
    EXPECT_GT(result.usage.generated_tokens, 7);
    EXPECT_EQ(sink.text().find('x') == std::string::npos, stop != kNoToken);
  }
}

TEST_F(ReplySamplerTest, PenaltiesSeeTheStreamAndDryBreaksAtReplyEnds) {
  // The script wants x for ever; a bias against it shows which penalties reach the sampler.
  fake_.script = [](const FakeSight&) { return TokenId{'x'}; };
  for (int which = 0; which < 4; ++which) {
    const std::string session = CreateSession({kBos, 'x', 'x', 'x', 'x', 'x'});
    TurnSpec spec = Turn(session, "xxxxxxxx", 40);
    spec.message.tokens.pop_back();  // ends with x: the sequence goes on
    spec.ignore_end_of_turn = true;
    if (which == 1) spec.sampling.presence_penalty = 2.0f;
    if (which == 2) spec.sampling.frequency_penalty = 2.0f;
    if (which == 3) spec.sampling.dry = {.multiplier = 100.0f, .base = 2.0f, .allowed_length = 1};
    RecordingTurnSink sink;
    EXPECT_TRUE(Run(spec, sink).status.ok());
    const bool penalised = sink.text() != std::string(40, 'x');
    // The fake's favourite stands out by more than a presence penalty takes.
    EXPECT_EQ(penalised, which >= 2) << which;
  }
}

TEST_F(ReplySamplerTest, LogitBiasDecidesWhatIsSaid) {
  const std::string session = CreateSession();
  TurnSpec spec = Turn(session, "a", 4);
  spec.sampling.logit_bias = {{'x', -100.0f}, {'y', 100.0f}};
  RecordingTurnSink sink;
  EXPECT_EQ(Run(spec, sink).reason, FinishReason::kMaxTokens);
  EXPECT_EQ(sink.text(), "yyyy");
}

TEST_F(ReplySamplerTest, LogprobsComeForEverySampledToken) {
  const std::string session = CreateSession();
  TurnSpec spec = Turn(session, "a");
  spec.top_logprobs = 2;
  RecordingTurnSink sink;
  EXPECT_EQ(Run(spec, sink).reason, FinishReason::kEndOfTurn);
  std::vector<TurnLogprobs> logprobs;
  int32_t tokens = 0;
  for (const TurnDelta& delta : sink.EventsOf<TurnDelta>()) {
    logprobs.insert(logprobs.end(), delta.logprobs.begin(), delta.logprobs.end());
    tokens += delta.tokens;
  }
  EXPECT_EQ(tokens, 3);
  ASSERT_THAT(logprobs, SizeIs(4)) << "the end token too";
  EXPECT_EQ(logprobs[0].chosen.token, 'x');
  EXPECT_EQ(logprobs[0].chosen.bytes, "x");
  EXPECT_EQ(logprobs[3].chosen.token, kEndToken);
  for (const TurnLogprobs& one : logprobs) {
    ASSERT_THAT(one.top, SizeIs(2));
    EXPECT_EQ(one.top[0].token, one.chosen.token) << "greedy";
    EXPECT_EQ(one.top[0].logprob, one.chosen.logprob);
    EXPECT_LT(one.top[1].logprob, one.top[0].logprob);
    EXPECT_LE(std::exp(one.top[0].logprob) + std::exp(one.top[1].logprob), 1.0001);
  }
}

TEST_F(ReplySamplerTest, LogprobsOfHeldBackTextDoNotWait) {
  const std::string session = CreateSession();
  TurnSpec spec = Turn(session, "a", 3);
  spec.top_logprobs = 0;
  spec.stop_strings = {"xxxx"};
  RecordingTurnSink sink;
  EXPECT_EQ(Run(spec, sink).reason, FinishReason::kMaxTokens);
  const std::vector<TurnDelta> deltas = sink.EventsOf<TurnDelta>();
  ASSERT_THAT(deltas, SizeIs(3));
  EXPECT_EQ(deltas[0].text, "");
  EXPECT_EQ(deltas[0].tokens, 0);
  EXPECT_THAT(deltas[0].logprobs, SizeIs(1));
  EXPECT_THAT(deltas[0].logprobs[0].top, IsEmpty());
  EXPECT_EQ(deltas[2].text, "xxx");
  EXPECT_EQ(deltas[2].tokens, 3);
}

TEST_F(ReplySamplerTest, AConstrainedReplyIsOneOfWhatIsAllowed) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const std::string session = CreateSession();
    TurnSpec spec = Turn(session, "a");
    spec.sampling.temperature = 5.0f;
    spec.sampling.seed = seed;
    spec.constraint = std::make_shared<FakeTokenConstraint>(std::vector<std::string>{"yes", "no", "nothing"});
    RecordingTurnSink sink;
    const TurnResult result = Run(spec, sink);
    EXPECT_EQ(result.reason, FinishReason::kEndOfTurn);
    EXPECT_THAT(sink.text(), testing::AnyOf("yes", "no", "nothing"));
    // "yes" and "nothing" end where nothing can follow, "no" with an end token; the stream is closed the same way.
    fed_.clear();
    Say(session, "b", 1);
    const TokenId last = static_cast<TokenId>(sink.text().back());
    if (sink.text() == "no") {
      EXPECT_THAT(fed_, ElementsAre(kTurnEnd, kNewline, 'b', kStart));
    } else {
      EXPECT_THAT(fed_, ElementsAre(last, kTurnEnd, kNewline, 'b', kStart));
    }
  }
}

TEST_F(ReplySamplerTest, AConstrainedReplyIsCutAtMaxTokens) {
  const std::string session = CreateSession();
  TurnSpec spec = Turn(session, "a", 3);
  spec.constraint = std::make_shared<FakeTokenConstraint>(std::vector<std::string>{"nothing"});
  RecordingTurnSink sink;
  EXPECT_EQ(Run(spec, sink).reason, FinishReason::kMaxTokens);
  EXPECT_EQ(sink.text(), "not");
}

TEST_F(ReplySamplerTest, AConstraintThatFailsEndsTheTurnAndKeepsTheSession) {
  const std::string session = CreateSession();
  TurnSpec spec = Turn(session, "a");
  spec.constraint = std::make_shared<FakeTokenConstraint>(std::vector<std::string>{"nothing"}, /*fail_after=*/2);
  RecordingTurnSink sink;
  const TurnResult result = Run(spec, sink);
  EXPECT_TRUE(absl::IsInvalidArgument(result.status));
  EXPECT_EQ(sink.text(), "no");
  fed_.clear();
  EXPECT_EQ(Say(session, "b"), "xxx");
  EXPECT_EQ(std::vector<TokenId>(fed_.begin(), fed_.begin() + 3), (std::vector<TokenId>{'o', kTurnEnd, kNewline}));
}

}  // namespace
}  // namespace perennial
