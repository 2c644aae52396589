#include "tests/simulation/chaos_simulation.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/simulation/simulated_model.h"

namespace perennial {

ChaosSimulation::ChaosSimulation(uint64_t seed) : choice_(seed), mixed_(choice_.OneIn(2)), faulty_(choice_.OneIn(3)) {
  options_ = MakeOptions();
  script_ = RepliesFrom({'a', 'b', 'c', 'd', 'e'}, kEndToken, choice_.Between32(1, 25));
  // Some worlds have caches for all sessions, some for a few.
  const int64_t rows = choice_.OneIn(2) ? choice_.Between(300, 900) : choice_.Between(900, 3000);
  FakeOptions fake;
  fake.cache_memory_bytes = rows * FakeModelRunner::kRowBytes;
  fake.script = script_;
  fake.before_step = [this](absl::Span<const StepInput> batch) { OnStep(batch); };
  fake.before_export = fake.before_import = [this] { return MayFail(); };
  runner_ = std::make_unique<FakeModelRunner>(std::move(fake));
  parked_store_.emplace(options_.parked_memory);
  oracle_runner_ = std::make_shared<FakeModelRunner>(
      FakeOptions{.cache_memory_bytes = int64_t{1} << 30, .script = script_, .before_step = {}});
  EngineModel model;
  model.runner = runner_.get();
  model.token_bytes = BytesOf;
  model.end_tokens = {kEndToken};
  model.reply_end = kReplyEnd;
  model.parked_store = &*parked_store_;
  absl::StatusOr<std::unique_ptr<Engine>> engine =
      Engine::Create(options_, std::move(model), &clock_, [this] { return choice_.Bits(); });
  if (!engine.ok()) {
    ADD_FAILURE() << engine.status();
    std::abort();
  }
  engine_ = *std::move(engine);
  driver_.emplace(engine_.get(), &clock_);
}

ChaosSimulation::~ChaosSimulation() {
  engine_.reset();
  // A story, its request and its session hold each other.
  for (const auto& [turn, story] : stories_) story->request = nullptr;
}

EngineOptions ChaosSimulation::MakeOptions() {
  EngineOptions options;
  options.max_sessions = choice_.Between32(20, 40);
  options.max_waiting_turns = choice_.Between32(4, 30);
  options.max_turns_per_session = choice_.Between32(1, 4);
  options.max_running_turns = choice_.Between32(2, 12);
  options.max_tenants = choice_.Between32(1, 4);
  options.max_step_tokens = choice_.OneIn(4) ? choice_.Between32(1, 3) : choice_.Between32(1, 64);
  options.prefill_chunk_tokens = choice_.OneIn(4) ? choice_.Between32(1, 3) : choice_.Between32(1, 40);
  options.max_note_tokens = std::min(choice_.Between32(0, 40), options.max_step_tokens);
  options.evict_notice_tokens = choice_.OneIn(3) ? 0 : choice_.Between32(1, 64);
  if (!choice_.OneIn(3)) options.parked_memory = choice_.Between(1, 1500) * FakeModelRunner::kRowBytes;
  options.copy_bytes_per_step = choice_.Between(1, 60) * FakeModelRunner::kRowBytes;
  options.transcript_turns = choice_.Between32(0, 4);
  options.transcript_bytes = choice_.Between32(10, 1000);
  options.heartbeat_interval = choice_.Seconds(1, 20);
  options.slow_reader_timeout = choice_.Seconds(1, 30);
  options.detach_timeout = choice_.Seconds(1, 40);
  // Some twenty events, or more than a turn has.
  options.replay_bytes = choice_.OneIn(2) ? 4096 : choice_.Between(4096, 40'000);
  options.kept_replay_bytes = choice_.OneIn(3) ? choice_.Between(0, 20'000) : 1 << 20;
  options.max_readers_per_turn = choice_.Between32(1, 4);
  options.request_id_ttl = choice_.OneIn(4) ? choice_.Seconds(1, 10) : choice_.Seconds(60, 400);
  options.max_request_ids = choice_.OneIn(6) ? choice_.Between32(5, 20) : 1000;
  return options;
}

std::unique_ptr<StreamOracle> ChaosSimulation::MakeOracle(const SessionSpec& spec) const {
  return std::make_unique<StreamOracle>(oracle_runner_, spec, std::vector<TokenId>{kEndToken}, kReplyEnd);
}

void ChaosSimulation::Run() {
  Storm();
  if (testing::Test::HasFailure()) return engine_->Stop();
  if (choice_.OneIn(2)) {
    Drain();
  } else {
    Calm();
  }
  if (testing::Test::HasFailure()) return engine_->Stop();
  CheckEnd();
}

Tally RunChaos(uint64_t first_seed, uint64_t num_seeds) {
  Tally tally;
  if (const char* only = std::getenv("PERENNIAL_SEED"); only != nullptr) {
    if (!absl::SimpleAtoi(only, &first_seed)) ADD_FAILURE() << "PERENNIAL_SEED is not a number";
    num_seeds = 1;
  }
  for (uint64_t seed = first_seed; seed < first_seed + num_seeds; ++seed) {
    std::cout << "seed " << seed << "\r" << std::flush;
    ChaosSimulation simulation(seed);
    simulation.Run();
    tally.Add(simulation.tally());
    if (testing::Test::HasFailure()) {
      ADD_FAILURE() << "seed " << seed << " failed at pass " << simulation.tally().Of("passes")
                    << ". Replay: PERENNIAL_SEED=" << seed
                    << " perennial_chaos_simulation_test --gtest_filter='ChaosSimulationTest.*'";
      return tally;
    }
  }
  return tally;
}

void ExpectStorm(const Tally& tally) {
  std::cout << tally.ToString() << std::endl;
  if (testing::Test::HasFailure() || std::getenv("PERENNIAL_SEED") != nullptr) return;  // it was no whole storm
  for (const char* what : {
           // What clients do.
           "leave",
           "stall",
           "read again",
           "ask again",
           "ask otherwise",
           "attach by number",
           "attach by request id",
           "cancel a turn",
           "cancel all turns",
           "interrupt",
           "delete",
           "create again",
           "create otherwise",
           "append",
           "set notes",
           "written notes",
           "checked notes",
           "pin a turn",
           "pinned turn",
           "forked session",
           "rewound session",
           "parked session",
           "resumed session",
           "checked transcript",
           // What goes wrong.
           "failed step",
           "poisoned step",
           "failed copy",
           "expired session",
           "detached turn",
           "replayed turn",
           "rejoined turn",
           "drain",
           // How turns end.
           "OK",
           "cancelled",
           "undone",
           "budget",
           "cut",
           "not admitted",
           "SESSION_NOT_FOUND",
           "TURN_IN_PROGRESS",
           "NO_FREE_CACHE",
           "QUEUE_FULL",
           "SLOW_READER",
           "SHUTTING_DOWN",
           "MODEL_FAILURE",
           "INVALID_FIELD",
           "STALE_TURN",
           "REQUEST_ID_REUSED",
           "BEYOND_REPLAY",
           "rewind: BEYOND_HORIZON",
           "STORE_UNAVAILABLE",
       }) {
    EXPECT_GT(tally.Of(what), 0) << "the storm never raised: " << what;
  }
}

}  // namespace perennial
