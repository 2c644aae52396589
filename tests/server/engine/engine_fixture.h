// An engine on the fake runner, driven by hand: what most of the engine's tests stand on.

#ifndef PERENNIAL_TESTS_SERVER_ENGINE_ENGINE_FIXTURE_H_
#define PERENNIAL_TESTS_SERVER_ENGINE_ENGINE_FIXTURE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "server/engine/engine.h"
#include "tests/fake_clock.h"
#include "tests/fake_model_runner.h"
#include "tests/recording_turn_sink.h"

namespace perennial {

// The fake's vocabulary: a token below 128 stands for the ASCII character of its number, those above for nothing.
inline constexpr TokenId kStart = 1;     // ends a prompt: FakeScript's `start`
inline constexpr TokenId kEndToken = 2;  // ends a reply
inline constexpr TokenId kTurnEnd = 3;   // fed after a reply, and …
inline constexpr TokenId kNewline = 10;  // … the separator after it
inline constexpr TokenId kBos = 4;

// Tokens of `text`, one per character.
std::vector<TokenId> TokensOf(absl::string_view text);

class EngineFixture : public testing::Test {
 protected:
  ~EngineFixture() override { engine_.reset(); }

  // Makes the runner and the engine from the options below. Called by the first of the calls that need them.
  Engine& engine();
  FakeModelRunner& runner();

  // The next call makes new ones.
  void DestroyEngine() { engine_.reset(); }

  // Drives the engine until it has nothing to do at this time. Fails the test after 100,000 passes.
  void RunUntilIdle();
  // One pass.
  bool RunOnce() { return engine().RunOnce(); }

  // A session with an opening of `opening`; the test fails if there is none.
  std::string CreateSession(std::vector<TokenId> opening = {kBos});
  absl::StatusOr<SessionSummary> TryCreateSession(SessionSpec spec);
  absl::StatusOr<SessionSummary> GetSession(const std::string& id);
  absl::StatusOr<SessionSummary> DeleteSession(const std::string& id);
  // Runs until the copy is made, or refused.
  absl::StatusOr<SessionSummary> ForkSession(const std::string& id, std::optional<Labels> labels = std::nullopt);
  absl::StatusOr<SessionSummary> RewindSession(const std::string& id, int64_t to_turn,
                                               std::optional<int64_t> expected_turn = std::nullopt);

  // Room for `count` caches of `shape_` on the runner, and for `parked` parked ones.
  void SetRoom(int64_t count, int64_t parked);

  // Makes the calls and one pass; the answer has come then unless the notes had to wait.
  absl::StatusOr<SessionNotes> SetNotes(const std::string& id, NotesSpec notes);
  absl::StatusOr<SessionNotes> PinTurn(const std::string& id, int64_t turn);

  SessionSpec Spec(std::vector<TokenId> opening = {kBos}) const;
  // A greedy turn of `text` and the start of the reply.
  TurnSpec Turn(const std::string& session, absl::string_view text, int64_t max_tokens = 64) const;

  // Submits and runs until idle; the turn has ended then.
  TurnResult Run(TurnSpec spec, RecordingTurnSink& sink);
  // The reply to `text`.
  std::string Say(const std::string& session, absl::string_view text, int64_t max_tokens = 64);

  // Change before the first call. No notices before evictions: the caches here are as small as a notice is early.
  EngineOptions options_ = {.evict_notice_tokens = 0};
  FakeOptions fake_;
  CacheShape shape_ = {.sink_tokens = 4, .note_tokens = 0, .window_tokens = 60};
  EvictionPolicy eviction_ = EvictionPolicy::kTokenWise;
  std::vector<TokenId> end_tokens_ = {kEndToken};
  std::vector<TokenId> reply_end_ = {kTurnEnd, kNewline};
  std::unique_ptr<ParkedStore> parked_store_;  // instead of host memory
  std::vector<absl::Status> failures_;         // that the engine reported for the log

  FakeClock clock_;

 private:
  void MakeEngine();

  std::unique_ptr<FakeModelRunner> runner_;
  std::unique_ptr<Engine> engine_;
  uint64_t next_bits_ = 1;
};

}  // namespace perennial

#endif  // PERENNIAL_TESTS_SERVER_ENGINE_ENGINE_FIXTURE_H_
