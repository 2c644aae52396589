// Many sessions on few caches: every reply is what it is where each session has a cache of its own.

#include <algorithm>
#include <cstdint>
#include <list>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "server/engine/engine.h"
#include "tests/fake_clock.h"
#include "tests/fake_model_runner.h"
#include "tests/recording_turn_sink.h"

namespace perennial {
namespace {

constexpr int kSessions = 500;
constexpr int kTurns = 4;
constexpr int kSlots = 32;

struct Farm {
  int64_t cache_slots = 0;  // of the runner
  int64_t parked_slots = 0;
  bool mixed_sizes = false;
  int64_t copy_slots_per_step = 1000;
  uint64_t seed = 1;
};

// The replies of all sessions' turns, with what they remember afterwards: [session][turn].
using Replies = std::vector<std::vector<std::string>>;

absl::string_view BytesOf(TokenId token) {
  static const std::string* const kLetters = [] {
    auto* letters = new std::string;
    for (int token = 0; token < 256; ++token) letters->push_back(static_cast<char>('A' + token % 58));
    return letters;
  }();
  return absl::string_view(*kLetters).substr(static_cast<size_t>(token), 1);
}

// Submits every session's turns in one random order, up to `kAtOnce` at a time.
Replies RunFarm(const Farm& farm, EngineStats& stats) {
  constexpr size_t kAtOnce = 120;
  FakeModelRunner runner(FakeOptions{
      .cache_memory_bytes = farm.cache_slots * FakeModelRunner::kRowBytes, .script = {}, .before_step = {}});
  EngineModel model;
  model.runner = &runner;
  model.token_bytes = BytesOf;
  model.end_tokens = {2};
  model.reply_end = {3, 10};
  EngineOptions options;
  options.parked_memory = farm.parked_slots * FakeModelRunner::kRowBytes;
  options.copy_bytes_per_step = farm.copy_slots_per_step * FakeModelRunner::kRowBytes;
  FakeClock clock;
  std::mt19937_64 bits(farm.seed);
  const std::unique_ptr<Engine> engine = *Engine::Create(options, std::move(model), &clock, [&bits] { return bits(); });

  std::vector<std::string> ids(kSessions);
  for (int i = 0; i < kSessions; ++i) {
    SessionSpec spec;
    spec.shape = {.sink_tokens = 4, .note_tokens = 0, .window_tokens = kSlots - 4};
    if (farm.mixed_sizes) spec.shape.window_tokens = 4 + i % 5 * 7;
    spec.eviction = i % 3 == 0 ? EvictionPolicy::kTurnWise : EvictionPolicy::kTokenWise;
    spec.opening = {4, static_cast<TokenId>(i % 256)};
    spec.idle_timeout = absl::Hours(1);
    engine->CreateSession(std::move(spec), [&ids, i](absl::StatusOr<SessionSummary> session) {
      ASSERT_TRUE(session.ok()) << i << ": " << session.status();
      ids[static_cast<size_t>(i)] = session->id;
    });
    engine->RunOnce();
  }

  std::vector<int> order;
  for (int i = 0; i < kSessions * kTurns; ++i) order.push_back(i % kSessions);
  std::mt19937_64 random(farm.seed);
  std::shuffle(order.begin(), order.end(), random);
  Replies replies(kSessions);
  std::list<RecordingTurnSink> open;
  std::vector<int> asked(kSessions);
  for (size_t next = 0; next < order.size() || !open.empty();) {
    while (next < order.size() && open.size() < kAtOnce) {
      const auto session = static_cast<size_t>(order[next++]);
      TurnSpec turn;
      turn.session_id = ids[session];
      const int number = asked[session]++;
      for (int i = 0; i <= static_cast<int>(session) % 9; ++i) turn.message.tokens.push_back(100 + number + i);
      turn.max_tokens = 6;
      turn.sampling.temperature = 1;
      turn.sampling.seed = session;
      RecordingTurnSink& sink = open.emplace_back();
      sink.on_finish = [&replies, &sink, session](const TurnResult& result) {
        EXPECT_TRUE(result.status.ok()) << result.status;
        replies[session].push_back(sink.text() + " " + std::to_string(result.memory.horizon_token));
      };
      engine->Submit(std::move(turn), &sink);
      // Not all at one time: idle sessions are told apart by their last use.
      clock.Advance(absl::Milliseconds(1));
    }
    const bool worked = engine->RunOnce();
    open.remove_if([](const RecordingTurnSink& sink) { return sink.finished(); });
    if (!worked && !open.empty()) {
      ADD_FAILURE() << "turns wait for nobody";
      break;
    }
  }
  stats = engine->Stats();
  engine->Stop();
  return replies;
}

TEST(ParkingSimulationTest, FiveHundredSessionsOnFiftyCachesReplyAsOnFiveHundred) {
  for (const uint64_t seed : {1, 2}) {
    EngineStats all_stats, few_stats;
    const Replies all = RunFarm({.cache_slots = kSessions * kSlots, .seed = seed}, all_stats);
    const Replies few =
        RunFarm({.cache_slots = 50 * kSlots, .parked_slots = (kSessions - 50 + 1) * kSlots, .seed = seed}, few_stats);
    EXPECT_EQ(all, few);
    EXPECT_EQ(all_stats.sessions_parked, 0);
    EXPECT_GT(few_stats.sessions_parked, kSessions * kTurns / 2);
    EXPECT_EQ(few_stats.turns_finished, kSessions * kTurns);
    for (const std::vector<std::string>& session : few) EXPECT_EQ(session.size(), static_cast<size_t>(kTurns));
  }
}

TEST(ParkingSimulationTest, SessionsOfManySizesDoNotFragmentTheMemory) {
  EngineStats all_stats, few_stats;
  const Replies all = RunFarm({.cache_slots = kSessions * 36, .mixed_sizes = true}, all_stats);
  // The most that admission takes: sum + largest + second largest <= caches + parked.
  const int64_t sum = kSessions / 5 * (8 + 15 + 22 + 29 + 36);
  const Replies few = RunFarm({.cache_slots = 90, .parked_slots = sum + 36 + 36 - 91, .mixed_sizes = true}, few_stats);
  EXPECT_EQ(all, few);
  EXPECT_GT(few_stats.sessions_parked, kSessions * kTurns / 2);
}

TEST(ParkingSimulationTest, SlowCopiesChangeNothing) {
  EngineStats all_stats, few_stats;
  const Replies all = RunFarm({.cache_slots = kSessions * kSlots}, all_stats);
  const Replies few =
      RunFarm({.cache_slots = 50 * kSlots, .parked_slots = (kSessions - 50 + 1) * kSlots, .copy_slots_per_step = 40},
              few_stats);
  EXPECT_EQ(all, few);
}

}  // namespace
}  // namespace perennial
