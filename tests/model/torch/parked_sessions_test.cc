// Fifty sessions on eight caches of the default model: the replies of fifty on fifty.

#include <algorithm>
#include <cstdint>
#include <list>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/engine/clock.h"
#include "server/engine/engine.h"
#include "tests/model/torch/default_model.h"
#include "tests/recording_turn_sink.h"

namespace perennial {
namespace {

constexpr int kSessions = 50;
constexpr int kTurns = 2;
constexpr CacheShape kShape = {.sink_tokens = 4, .note_tokens = 0, .window_tokens = 12};

// The replies of all sessions, as the numbers of their tokens: [session].
std::vector<std::string> RunSessions(const Checkpoint& checkpoint, int64_t caches, int64_t parked, EngineStats& stats) {
  const int64_t each = kShape.capacity() * int64_t{30} * 2 * 3 * 64 * 4;  // bytes in float32
  TorchOptions torch;
  torch.dtype = "float32";
  torch.cache_memory_bytes = caches * each;
  const std::unique_ptr<ModelRunner> runner = *CreateTorchModelRunner(checkpoint, torch);
  EXPECT_EQ(runner->CacheBytes(kShape), each);
  std::vector<std::string> names;
  for (int32_t token = 0; token < runner->limits().vocab_size; ++token) names.push_back(absl::StrCat(token, " "));
  EngineModel model;
  model.runner = runner.get();
  model.token_bytes = [&names](TokenId token) -> absl::string_view { return names[static_cast<size_t>(token)]; };
  model.end_tokens = checkpoint.config().end_tokens;
  model.reply_end = {2, 198};
  EngineOptions options;
  options.max_running_turns = 8;
  options.parked_memory = parked * each;
  options.copy_bytes_per_step = 200 << 10;
  const SystemClock clock;
  std::mt19937_64 bits(1);
  const std::unique_ptr<Engine> engine = *Engine::Create(options, std::move(model), &clock, [&bits] { return bits(); });

  std::vector<std::string> ids(kSessions);
  for (std::string& id : ids) {
    SessionSpec spec;
    spec.shape = kShape;
    spec.opening = {1};
    spec.idle_timeout = absl::Hours(1);
    engine->CreateSession(std::move(spec), [&id](absl::StatusOr<SessionSummary> session) {
      ASSERT_TRUE(session.ok()) << session.status();
      id = session->id;
    });
    engine->RunOnce();
  }
  std::vector<int> order;
  for (int i = 0; i < kSessions * kTurns; ++i) order.push_back(i % kSessions);
  std::shuffle(order.begin(), order.end(), std::mt19937(7));
  std::vector<std::string> replies(kSessions);
  std::list<RecordingTurnSink> open;
  for (size_t next = 0; next < order.size() || !open.empty();) {
    while (next < order.size() && open.size() < 16) {
      const auto session = static_cast<size_t>(order[next]);
      // One turn of a session at a time: the next one's text depends on what was said.
      if (std::count(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(next), order[next]) > 0) {
        while (replies[session].empty()) engine->RunOnce();
      }
      TurnSpec turn;
      turn.session_id = ids[session];
      std::mt19937 words(static_cast<uint32_t>(session + kSessions * replies[session].size()));
      for (int i = 0; i < 10; ++i) turn.message.tokens.push_back(static_cast<TokenId>(100 + words() % 20'000));
      turn.max_tokens = 4;
      turn.ignore_end_of_turn = true;
      turn.sampling.temperature = 0;
      RecordingTurnSink& sink = open.emplace_back();
      sink.on_finish = [&replies, &sink, session](const TurnResult& result) {
        EXPECT_TRUE(result.status.ok()) << result.status;
        absl::StrAppend(&replies[session], sink.text(), "/ ");
      };
      engine->Submit(std::move(turn), &sink);
      ++next;
    }
    engine->RunOnce();
    open.remove_if([](const RecordingTurnSink& sink) { return sink.finished(); });
  }
  stats = engine->Stats();
  return replies;
}

TEST(ParkedSessionsTest, FiftySessionsOnEightCachesReplyAsOnFifty) {
  const std::unique_ptr<Checkpoint> checkpoint = OpenDefaultModel();
  ASSERT_NE(checkpoint, nullptr);
  EngineStats all_stats, few_stats;
  const std::vector<std::string> all = RunSessions(*checkpoint, kSessions, 0, all_stats);
  const std::vector<std::string> few = RunSessions(*checkpoint, 8, kSessions - 8 + 1, few_stats);
  EXPECT_EQ(all, few);
  EXPECT_EQ(all_stats.sessions_parked, 0);
  EXPECT_GT(few_stats.sessions_parked, kSessions / 2);
  EXPECT_GT(few_stats.evicted_tokens, 0);
}

}  // namespace
}  // namespace perennial
