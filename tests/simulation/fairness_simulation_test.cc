// The engine's promises of fairness (scheduler.h, turn_queue.h) under adversarial mixes: long prompts that come all the
// time beside replies, replies beside long prompts, tenants with many turns beside tenants with one, batch beside
// interactive. Seeded; a seed is a run. What is promised is computed here again, from the outside: from what the
// clients sent and what the runner was given.

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <list>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/engine/engine.h"
#include "server/engine/scheduler.h"
#include "tests/fake_clock.h"
#include "tests/fake_model_runner.h"
#include "tests/recording_turn_sink.h"

namespace perennial {
namespace {

constexpr TokenId kFirstMark = 128;  // a turn's prompt is its mark, many times; replies are letters
constexpr TokenId kMarks = 128;

enum class Mix { kPrefillFlood, kDecodeFlood, kAll };

class FairnessSimulation {
 public:
  explicit FairnessSimulation(uint32_t seed) : random_(seed) {
    mix_ = static_cast<Mix>(seed % 3);
    options_.max_running_turns = Random(2, 12);
    options_.max_step_tokens = std::array{1, 2, 3, 5, 8, 16, 40}[static_cast<size_t>(Random(0, 6))];
    options_.max_note_tokens = 0;
    options_.prefill_chunk_tokens = Random(1, 16);
    options_.max_tenants = Random(1, 4);
    tenants_ = Random(1, 4);
    FakeOptions fake = {.script = RepliesFrom({'a', 'b', 'c'}, /*end=*/2, /*mean_length=*/1 << 30),
                        .before_step = [this](absl::Span<const StepInput> batch) { OnStep(batch); }};
    runner_ = std::make_unique<FakeModelRunner>(std::move(fake));
    EngineModel model;
    model.runner = runner_.get();
    model.token_bytes = [](TokenId) { return absl::string_view("x"); };
    model.end_tokens = {2};
    model.reply_end = {3};
    engine_ = *Engine::Create(options_, std::move(model), &clock_, [this] { return random_(); });
  }

  void Run(int steps) {
    while (steps_ < steps && !testing::Test::HasFailure()) {
      while (turns_.size() < static_cast<size_t>(options_.max_running_turns) + 12) Submit();
      engine_->RunOnce();
      turns_.remove_if([](const Turn& turn) { return turn.sink.finished(); });
    }
    engine_->Stop();
  }

  // How often both kinds, or both priorities, wanted tokens in one step: what the promises are about.
  int64_t contended_kinds() const { return contended_kinds_; }
  int64_t contended_priorities() const { return contended_priorities_; }

 private:
  struct Turn {
    RecordingTurnSink sink;
    TurnSpec spec;
    TokenId mark = 0;
    int64_t prompt_left = 0;
    bool running = false;
    int64_t last_served = 0;      // step
    int64_t most_admissions = 0;  // before its own, counted from the start
    bool decoding() const { return running && prompt_left == 0; }
    bool batch() const { return spec.priority == Priority::kBatch; }
  };

  int32_t Random(int32_t least, int32_t most) {
    return least + static_cast<int32_t>(random_() % static_cast<uint32_t>(most - least + 1));
  }

  void Submit() {
    Turn& turn = turns_.emplace_back();
    turn.mark = kFirstMark + next_mark_++ % kMarks;
    const bool long_prompt = mix_ == Mix::kPrefillFlood ? Random(1, 4) > 1 : Random(1, 4) == 1;
    turn.prompt_left = long_prompt ? Random(50, 300) : Random(1, 5);
    turn.spec.ephemeral = SessionSpec{};
    turn.spec.ephemeral->shape = {.sink_tokens = 0, .note_tokens = 0, .window_tokens = 16};
    turn.spec.message.tokens.assign(static_cast<size_t>(turn.prompt_left), turn.mark);
    turn.spec.max_tokens = long_prompt && mix_ != Mix::kAll ? 1 : Random(20, 200);
    // One tenant has most of the turns.
    const int32_t tenant = Random(1, 3) == 1 ? Random(0, tenants_ - 1) : 0;
    turn.spec.tenant = tenant == 0 ? "" : absl::StrCat("tenant", tenant);
    if (Random(1, 3) == 1) turn.spec.priority = Priority::kBatch;
    turn.sink.on_event = [this, &turn](const TurnEvent& event) {
      if (std::holds_alternative<TurnStarted>(event.event)) OnStarted(turn);
    };
    turn.most_admissions = admissions_ + MostAdmissionsBefore(turn);
    engine_->Submit(turn.spec, &turn.sink);
  }

  // Tenants are only told apart as far as max_tenants allows.
  int64_t MostTenants() const { return std::min(options_.max_tenants, tenants_); }

  // turn_queue.h. A pass admits whom it can before it looks at who has come.
  int64_t MostAdmissionsBefore(const Turn& turn) const {
    int64_t n = 0;
    const bool all_told_apart = tenants_ <= options_.max_tenants;
    for (const Turn& other : turns_) {
      if (other.running || other.batch() != turn.batch()) continue;
      if (!all_told_apart || other.spec.tenant == turn.spec.tenant) ++n;
    }
    const int64_t own = n * MostTenants();
    return options_.max_running_turns + (turn.batch() ? own * kBatchShare - 1 : (own - 1) * 4 / 3 + 1);
  }

  // scheduler.h: k * c * T * N. T tenants of at most N turns each have T + N - 1 turns at least.
  int64_t MostStepsUnserved(const Turn& turn) const {
    int64_t rounds = 0;
    for (int64_t tenants = 1; tenants <= std::min<int64_t>(MostTenants(), options_.max_running_turns); ++tenants) {
      rounds = std::max(rounds, tenants * (options_.max_running_turns + 1 - tenants));
    }
    return rounds * (turn.batch() ? 4 : 2) * (options_.max_step_tokens == 1 ? 2 : 1);
  }

  void OnStarted(Turn& turn) {
    EXPECT_LE(admissions_, turn.most_admissions) << "a turn waits too long for its admission";
    ++admissions_;
    turn.running = true;
    turn.last_served = steps_;
    by_mark_[turn.mark] = &turn;
  }

  void OnStep(absl::Span<const StepInput> batch) {
    ++steps_;
    Wanted wanted = WhatIsWanted();
    std::array<int64_t, 2> given = {0, 0};  // decode, prefill
    for (const StepInput& input : batch) {
      const TokenId first = input.tokens.front();
      if (first >= kFirstMark) by_cache_[input.cache] = by_mark_.at(first);
      Turn& turn = *by_cache_.at(input.cache);
      const auto tokens = static_cast<int64_t>(input.tokens.size());
      given[turn.decoding() ? 0 : 1] += tokens;
      if (!turn.decoding()) turn.prompt_left -= tokens;
      turn.last_served = steps_;
    }
    CheckShares(wanted, given);
    for (const Turn& turn : turns_) {
      if (!turn.running || turn.sink.finished()) continue;
      EXPECT_LT(steps_ - turn.last_served, MostStepsUnserved(turn))
          << (turn.decoding() ? "a reply" : "a prompt") << (turn.batch() ? " of a batch turn" : "") << " starves";
    }
  }

  struct Wanted {
    int64_t decode = 0;   // tokens
    int64_t prefill = 0;  // tokens, a chunk of each at most
  };
  Wanted WhatIsWanted() {
    Wanted wanted;
    std::array<std::set<bool>, 2> priorities;
    for (const Turn& turn : turns_) {
      if (!turn.running || turn.sink.finished()) continue;
      priorities[turn.decoding() ? 0 : 1].insert(turn.batch());
      if (turn.decoding()) {
        ++wanted.decode;
      } else {
        wanted.prefill += std::min<int64_t>(turn.prompt_left, options_.prefill_chunk_tokens);
      }
    }
    contended_kinds_ += wanted.decode > 0 && wanted.prefill > 0 ? 1 : 0;
    for (const std::set<bool>& kind : priorities) contended_priorities_ += kind.size() == 2 ? 1 : 0;
    return wanted;
  }

  void CheckShares(const Wanted& wanted, const std::array<int64_t, 2>& given) {
    const auto [decode, prefill] = given;
    if (wanted.decode == 0 || wanted.prefill == 0) return;
    if (options_.max_step_tokens == 1) {
      const bool decoded = decode > 0;
      EXPECT_NE(decoded, last_decoded_) << "the two kinds take turns";
      last_decoded_ = decoded;
      return;
    }
    const int64_t promised = std::min<int64_t>(
        {wanted.prefill, std::max(1, options_.max_step_tokens / kPrefillShare), options_.prefill_chunk_tokens});
    EXPECT_GE(prefill, promised) << "prefill starves";
    EXPECT_EQ(decode, std::min(wanted.decode, options_.max_step_tokens - promised)) << "decode starves";
  }

  std::mt19937 random_;
  Mix mix_;
  EngineOptions options_;
  int32_t tenants_;  // that send turns
  FakeClock clock_;
  std::unique_ptr<FakeModelRunner> runner_;
  std::unique_ptr<Engine> engine_;

  std::list<Turn> turns_;
  TokenId next_mark_ = 0;
  std::map<TokenId, Turn*> by_mark_;
  std::map<const KvCache*, Turn*> by_cache_;
  int64_t steps_ = 0;
  int64_t admissions_ = 0;
  bool last_decoded_ = false;
  int64_t contended_kinds_ = 0;
  int64_t contended_priorities_ = 0;
};

TEST(FairnessSimulationTest, NobodyStarvesInAnyMix) {
  int64_t contended_kinds = 0, contended_priorities = 0;
  for (uint32_t seed = 1; seed <= 120; ++seed) {
    FairnessSimulation simulation(seed);
    simulation.Run(/*steps=*/400);
    contended_kinds += simulation.contended_kinds();
    contended_priorities += simulation.contended_priorities();
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
  EXPECT_GT(contended_kinds, 10'000) << "the mixes were no contest";
  EXPECT_GT(contended_priorities, 10'000);
}

}  // namespace
}  // namespace perennial
