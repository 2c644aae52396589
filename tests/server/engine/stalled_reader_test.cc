// A reader that does not read, among eight that do: what its turn does to theirs, step by step under the injected
// clock.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/recording_turn_sink.h"
#include "tests/server/engine/engine_fixture.h"

namespace perennial {
namespace {

constexpr size_t kOthers = 8;
constexpr int64_t kTokens = 200;
constexpr absl::Duration kStep = absl::Milliseconds(10);

enum class Ninth { kReads, kStalls, kIsNotThere };

// When each of the eight others was given what.
struct Served {
  absl::Duration at;  // since the start
  size_t tokens;
  bool operator==(const Served&) const = default;
};
struct Outcome {
  std::array<std::vector<Served>, kOthers> served;        // in steps
  std::array<std::vector<absl::Duration>, kOthers> text;  // when each delta came
  std::array<std::string, kOthers> texts;
};

// An engine of its own for every run.
class World final : public EngineFixture {
 public:
  World(Ninth ninth, int32_t max_step_tokens) : ninth_(ninth) {
    options_.max_step_tokens = max_step_tokens;
    options_.slow_reader_timeout = absl::Hours(1);
    fake_.script = RepliesFrom({'a', 'b', 'c'}, kEndToken, /*mean_length=*/1 << 30);
    fake_.before_step = [this](absl::Span<const StepInput> batch) { OnStep(batch); };
  }

  Outcome Run() {
    std::array<RecordingTurnSink, kOthers> sinks;
    RecordingTurnSink ninth;
    const auto all = [&sinks](const auto& is_true) { return std::all_of(sinks.begin(), sinks.end(), is_true); };
    for (size_t i = 0; i < kOthers; ++i) {
      sinks[i].on_event = [this, i](const TurnEvent& event) {
        if (std::holds_alternative<TurnDelta>(event.event)) outcome_.text[i].push_back(clock_.Now() - start_);
      };
      engine().Submit(Turn(CreateSession(), absl::StrCat("message ", i), kTokens), &sinks[i]);
    }
    while (!all([](const RecordingTurnSink& sink) { return !sink.text().empty(); })) RunOnce();
    if (ninth_ != Ninth::kIsNotThere) {
      engine().Submit(Turn(CreateSession(), "message 9", kTokens), &ninth);
      while (ninth.text().size() < 5) RunOnce();
      ninth.SetReady(ninth_ == Ninth::kReads);
    }
    while (!all([](const RecordingTurnSink& sink) { return sink.finished(); })) RunOnce();
    for (size_t i = 0; i < kOthers; ++i) outcome_.texts[i] = sinks[i].text();
    if (ninth_ == Ninth::kStalls) {
      EXPECT_EQ(ninth.text().size(), 5U);
      EXPECT_FALSE(ninth.finished());
      // It resumes where it was.
      ninth.SetReady(true);
      engine().Wake();
    }
    RunUntilIdle();
    if (ninth_ != Ninth::kIsNotThere) {
      EXPECT_EQ(ninth.text().size(), static_cast<size_t>(kTokens));
    }
    return outcome_;
  }

 private:
  void TestBody() override {}

  void OnStep(absl::Span<const StepInput> batch) {
    for (const StepInput& input : batch) {
      const size_t number = numbers_.emplace(input.cache, numbers_.size()).first->second;
      if (number < kOthers) outcome_.served[number].push_back({clock_.Now() - start_, input.tokens.size()});
    }
    clock_.Advance(kStep);
  }

  const Ninth ninth_;
  const absl::Time start_ = clock_.Now();
  std::map<const KvCache*, size_t> numbers_;  // in the order in which they were first seen: the ninth comes last
  Outcome outcome_;
};

TEST(StalledReaderTest, OthersStepsDoNotChange) {
  const Outcome reads = World(Ninth::kReads, /*max_step_tokens=*/64).Run();
  const Outcome stalls = World(Ninth::kStalls, 64).Run();
  const Outcome is_not_there = World(Ninth::kIsNotThere, 64).Run();
  for (size_t i = 0; i < kOthers; ++i) {
    EXPECT_EQ(reads.texts[i].size(), static_cast<size_t>(kTokens));
    EXPECT_EQ(reads.served[i], stalls.served[i]) << i;
    EXPECT_EQ(reads.text[i], stalls.text[i]) << i;
    EXPECT_EQ(reads.texts[i], stalls.texts[i]) << i;
    EXPECT_EQ(is_not_there.served[i], stalls.served[i]) << i;
  }
}

TEST(StalledReaderTest, ItsPlaceGoesToOthers) {
  // Steps with room for eight: where nine want it, each goes without now and then.
  const Outcome reads = World(Ninth::kReads, /*max_step_tokens=*/kOthers).Run();
  const Outcome stalls = World(Ninth::kStalls, kOthers).Run();
  for (size_t i = 0; i < kOthers; ++i) {
    EXPECT_EQ(reads.texts[i], stalls.texts[i]) << i;
    ASSERT_EQ(reads.text[i].size(), stalls.text[i].size());
    for (size_t token = 0; token < stalls.text[i].size(); ++token) {
      EXPECT_LE(stalls.text[i][token], reads.text[i][token]) << "token " << token << " of " << i << " came later";
    }
    EXPECT_LT(stalls.text[i].back(), reads.text[i].back()) << i;
  }
}

class StalledReaderPlaceTest : public EngineFixture {};

// Its connection broke, and nobody told the server.
TEST_F(StalledReaderPlaceTest, IsTakenByTheClientThatComesBack) {
  TurnSpec spec = Turn(CreateSession(), "a", 40);
  spec.request = {.id = "r", .fingerprint = 1};
  spec.on_disconnect = OnDisconnect::kContinue;
  RecordingTurnSink dead, watching, back;
  engine().Submit(spec, &dead);
  while (dead.text().size() < 5) RunOnce();
  dead.SetReady(false);
  engine().Attach({.turn = {.session_id = spec.session_id, .turn = 1, .request_id = {}}}, &watching);
  RunUntilIdle();
  EXPECT_FALSE(watching.finished()) << "one that only watches does not pace it";
  engine().Attach({.turn = {.session_id = spec.session_id, .turn = 0, .request_id = "r"}}, &back);
  RunUntilIdle();
  EXPECT_TRUE(back.result().status.ok());
  EXPECT_TRUE(watching.finished());
  dead.SetReady(true);
  engine().Wake();
  RunUntilIdle();
}

TEST_F(StalledReaderPlaceTest, IsFreeForOthers) {
  options_.max_running_turns = 1;
  RecordingTurnSink stalled, other;
  stalled.SetReady(false);
  engine().Submit(Turn(CreateSession(), "a", 4), &stalled);
  RunUntilIdle();
  EXPECT_EQ(engine().Stats().paused_turns, 1);
  engine().Submit(Turn(CreateSession(), "b", 4), &other);
  RunUntilIdle();
  EXPECT_TRUE(other.result().status.ok());
  EXPECT_FALSE(stalled.finished());
  stalled.SetReady(true);
  engine().Wake();
  RunUntilIdle();
  EXPECT_TRUE(stalled.result().status.ok());
}

}  // namespace
}  // namespace perennial
