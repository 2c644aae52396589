#include "tests/simulation/engine_simulation.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace perennial {
namespace {

constexpr TokenId kEndToken = 2;
const std::vector<TokenId> kReplyEnd = {3, 10};

absl::string_view BytesOf(TokenId token) {
  static const std::string* const kAscii = [] {
    auto* ascii = new std::string;
    for (int c = 0; c < 128; ++c) ascii->push_back(static_cast<char>(c));
    return ascii;
  }();
  return token < 128 ? absl::string_view(*kAscii).substr(static_cast<size_t>(token), 1) : "";
}

// Where the oracle has to be told how far a reply got.
bool EndedByBudget(const TurnResult& result) {
  return result.status.ok() &&
         (result.reason == FinishReason::kTurnBudget || result.reason == FinishReason::kSessionBudget);
}

}  // namespace

EngineSimulation::EngineSimulation(uint64_t seed) : random_(seed), mixed_(OneIn(2)) {
  options_.max_sessions = static_cast<int32_t>(Random(1, 10));
  options_.max_waiting_turns = static_cast<int32_t>(Random(1, 12));
  options_.max_turns_per_session = static_cast<int32_t>(Random(1, 4));
  options_.max_running_turns = static_cast<int32_t>(Random(1, 6));
  options_.max_tenants = static_cast<int32_t>(Random(1, 4));
  options_.max_step_tokens = static_cast<int32_t>(OneIn(4) ? Random(1, 3) : Random(1, 64));
  options_.max_note_tokens = std::min(options_.max_note_tokens, options_.max_step_tokens);
  options_.prefill_chunk_tokens = static_cast<int32_t>(OneIn(4) ? Random(1, 3) : Random(1, 40));
  if (OneIn(2)) options_.parked_memory = Random(1, 300) * FakeModelRunner::kRowBytes;
  options_.copy_bytes_per_step = Random(1, 40) * FakeModelRunner::kRowBytes;
  options_.heartbeat_interval = absl::Seconds(Random(1, 20));
  options_.slow_reader_timeout = absl::Seconds(Random(1, 30));
  alphabet_ = {'a', 'b', 'c', 'd', 'e'};
  script_ = RepliesFrom(alphabet_, kEndToken, static_cast<int32_t>(Random(1, 25)));
  runner_ =
      std::make_unique<FakeModelRunner>(FakeOptions{.cache_memory_bytes = Random(20, 400) * FakeModelRunner::kRowBytes,
                                                    .script = script_,
                                                    .before_step = {},
                                                    .before_export = [this] { return MayFail(); },
                                                    .before_import = [this] { return MayFail(); }});
  EngineModel model;
  model.runner = runner_.get();
  model.token_bytes = BytesOf;
  model.end_tokens = {kEndToken};
  model.reply_end = kReplyEnd;
  absl::StatusOr<std::unique_ptr<Engine>> engine =
      Engine::Create(options_, std::move(model), &clock_, [this] { return random_(); });
  EXPECT_TRUE(engine.ok()) << engine.status();
  engine_ = *std::move(engine);
}

EngineSimulation::~EngineSimulation() { engine_.reset(); }

absl::Status EngineSimulation::MayFail() { return OneIn(25) ? absl::InternalError("simulated") : absl::OkStatus(); }

int64_t EngineSimulation::Random(int64_t least, int64_t most) {
  return least + static_cast<int64_t>(random_() % static_cast<uint64_t>(most - least + 1));
}

std::shared_ptr<EngineSimulation::Client> EngineSimulation::AnyClient() {
  if (clients_.empty()) return nullptr;
  return clients_[static_cast<size_t>(Random(0, static_cast<int64_t>(clients_.size()) - 1))];
}

void EngineSimulation::Act() {
  if (OneIn(12)) CreateSession();
  if (OneIn(4)) SubmitTurn();
  if (OneIn(20)) CallAboutSession();
  if (OneIn(6)) DisturbTurn();
  if (OneIn(60)) DisturbRunner();
  if (OneIn(5)) clock_.Advance(absl::Milliseconds(Random(1, 8000)));
}

void EngineSimulation::CreateSession() {
  SessionSpec spec;
  spec.shape = {.sink_tokens = static_cast<int32_t>(Random(0, 5)),
                .note_tokens = 0,
                .window_tokens = static_cast<int32_t>(Random(1, 40))};
  spec.eviction = OneIn(4) ? EvictionPolicy::kTurnWise : EvictionPolicy::kTokenWise;
  for (int64_t i = Random(0, 12); i > 0; --i) spec.opening.push_back(static_cast<TokenId>(Random(0, 255)));
  spec.first_turn = static_cast<FirstTurn>(Random(0, 2));
  spec.idle_timeout = absl::Seconds(Random(1, 120));
  if (OneIn(5)) spec.budget.generated_tokens = Random(1, 60);
  if (OneIn(8)) spec.budget.time = absl::Seconds(Random(1, 60));
  engine_->CreateSession(spec, [this, spec](absl::StatusOr<SessionSummary> session) {
    if (!session.ok()) {
      EXPECT_TRUE(absl::IsResourceExhausted(session.status())) << session.status();
      return;
    }
    auto client = std::make_shared<Client>();
    client->session_id = session->id;
    if (spec.eviction == EvictionPolicy::kTokenWise) {
      client->oracle = std::make_unique<ReplyOracle>(script_, spec, std::vector<TokenId>{kEndToken}, kReplyEnd);
    }
    clients_.push_back(std::move(client));
  });
}

void EngineSimulation::SubmitTurn() {
  Turn& turn = turns_.emplace_back();
  TurnSpec& spec = turn.spec;
  turn.client = AnyClient();
  if (turn.client == nullptr || OneIn(6)) {
    turn.client = std::make_shared<Client>();
    spec.ephemeral = SessionSpec{};
    spec.ephemeral->shape = {.sink_tokens = 2, .note_tokens = 0, .window_tokens = static_cast<int32_t>(Random(1, 30))};
    spec.ephemeral->first_turn = static_cast<FirstTurn>(Random(0, 2));
    turn.client->oracle =
        std::make_unique<ReplyOracle>(script_, *spec.ephemeral, std::vector<TokenId>{kEndToken}, kReplyEnd);
  } else {
    spec.session_id = turn.client->session_id;
  }
  for (int64_t i = OneIn(5) ? Random(20, 120) : Random(1, 20); i > 0; --i) {
    spec.message.tokens.push_back(static_cast<TokenId>(Random(0, 255)));
  }
  if (OneIn(2)) spec.message.tokens_if_first = std::vector<TokenId>{4, 5, 6};
  if (OneIn(2)) spec.message.tokens_if_first_after_system = std::vector<TokenId>{7, 8};
  spec.max_tokens = Random(1, 40);
  spec.ignore_end_of_turn = OneIn(5);
  if (spec.ignore_end_of_turn && OneIn(3)) spec.max_tokens = 0;
  spec.sampling.temperature = OneIn(2) ? 0.0f : 1.0f;
  spec.sampling.repetition_penalty = OneIn(3) ? 1.3f : 1.0f;
  if (OneIn(4)) spec.sampling.frequency_penalty = 0.5f;
  if (OneIn(4)) spec.sampling.dry.multiplier = 1.0f;
  if (OneIn(4)) spec.min_tokens = Random(0, spec.max_tokens > 0 ? spec.max_tokens : 40);
  if (OneIn(5)) spec.stop_tokens = {static_cast<TokenId>('a' + Random(0, 6))};
  if (OneIn(5)) spec.top_logprobs = static_cast<int32_t>(Random(0, 3));
  spec.sampling.seed = random_();
  if (OneIn(5)) spec.stop_strings = {std::string(1, static_cast<char>('a' + Random(0, 4))) + "b"};
  if (OneIn(5)) spec.if_busy = IfBusy::kReject;
  if (OneIn(6)) spec.deadline = clock_.Now() + absl::Seconds(Random(0, 60));
  if (OneIn(8)) spec.max_time = absl::Seconds(Random(1, 20));
  if (OneIn(8)) spec.on_repetition = OnRepetition::kFinish;
  if (mixed_) {
    spec.tenant = std::string(static_cast<size_t>(Random(0, 5)), 't');
    if (OneIn(3)) spec.priority = Priority::kBatch;
  }
  if (OneIn(60)) spec.message.tokens.clear();  // a bad field
  turn.sink.on_event = [this, &turn](const TurnEvent& event) { OnEvent(turn, event); };
  turn.sink.on_finish = [this, &turn](const TurnResult& result) { OnFinish(turn, result); };
  ++submitted_;
  turn.ticket = engine_->Submit(spec, &turn.sink);
}

void EngineSimulation::DisturbTurn() {
  if (turns_.empty()) return;
  Turn& turn = *std::next(turns_.begin(), Random(0, static_cast<int64_t>(turns_.size()) - 1));
  if (OneIn(2)) {
    turn.ticket->Leave();
  } else {
    turn.sink.SetReady(!turn.sink.ReadyForMore());
    turn.stalled = true;
    turn.last_progress = tally_.passes;
  }
}

void EngineSimulation::DisturbRunner() {
  if (OneIn(2)) {
    runner_->FailStep(Random(1, 10), absl::InternalError("simulated"));
  } else {
    runner_->PoisonStep(Random(1, 10));
  }
}

void EngineSimulation::OnEvent(Turn& turn, const TurnEvent& event) {
  if (!std::holds_alternative<TurnHeartbeat>(event.event)) turn.last_progress = tally_.passes;
  if (const auto* queued = std::get_if<TurnQueued>(&event.event)) {
    EXPECT_FALSE(turn.started) << "queued after it started";
    EXPECT_NE(queued->position, turn.position) << "it was told already";
    EXPECT_TRUE(mixed_ || turn.position < 0 || queued->position < turn.position) << "it was overtaken";
    turn.position = queued->position;
  } else if (const auto* started = std::get_if<TurnStarted>(&event.event)) {
    // One whose client did not read for a while tells late.
    if (!turn.stalled) {
      EXPECT_TRUE(turn.client->running == nullptr || turn.client->running->stalled) << "two turns hold one session";
      turn.client->running = &turn;
    }
    turn.started = true;
    turn.prompt_tokens = started->prompt_tokens;
  }
}

void EngineSimulation::OnFinish(Turn& turn, const TurnResult& result) {
  // A client that did not read for a while may miss the last events before an end that is not regular, also where it
  // reads again by then: the turn had ended with it.
  EXPECT_TRUE(turn.started == (result.turn > 0) || (result.turn > 0 && turn.stalled && !result.status.ok()));
  turn.started = result.turn > 0;
  fed_ += result.usage.fed_tokens;
  generated_ += result.usage.generated_tokens;
  evicted_ += result.usage.evicted_tokens;
  std::string ending = "OK";
  if (EndedByBudget(result)) {
    ending = !turn.started ? "budget used up before" : result.usage.generated_tokens == 0 ? "budget, undone" : "budget";
  } else if (!result.status.ok()) {
    const std::optional<ErrorReason> reason = ReasonOf(result.status);
    if (reason.has_value()) ++tally_.endings[std::string(ErrorReasonName(*reason))];
    ending = !turn.started ? "not admitted" : result.usage.generated_tokens == 0 ? "undone" : "cut";
  }
  ++tally_.endings[ending];
  if (ReasonOf(result.status) == ErrorReason::kSessionNotFound ||
      ReasonOf(result.status) == ErrorReason::kModelFailure) {
    std::erase(clients_, turn.client);
  }
  if (!turn.started) return;
  if (turn.client->running == &turn) turn.client->running = nullptr;
  // The end of a turn may reach a client that does not read after that of the next one: replies are checked in the
  // order of the turns.
  Client& client = *turn.client;
  client.ended.emplace(result.turn, Ended{turn.spec, turn.sink.text(), turn.sink.ReadyForMore(), result});
  for (auto it = client.ended.begin(); it != client.ended.end() && it->first == client.next_turn;) {
    CheckReply(client, it->second);
    it = client.ended.erase(it);
    ++client.next_turn;
  }
}

void EngineSimulation::CheckReply(Client& client, const Ended& turn) {
  const TurnResult& result = turn.result;
  const SessionMemory& memory = result.memory;
  EXPECT_LE(memory.visible_tokens, memory.sink_tokens + memory.window_tokens);
  EXPECT_GE(memory.horizon_token, memory.sink_tokens);
  const bool kept = result.usage.generated_tokens > 0;
  if (ReasonOf(result.status) == ErrorReason::kModelFailure) return;  // nobody asks that session again
  if (kept) {
    EXPECT_GE(memory.stream_tokens - memory.visible_tokens - memory.forgotten_tokens, 2) << "its end is not yet fed";
    EXPECT_LE(memory.stream_tokens - memory.visible_tokens - memory.forgotten_tokens, 3);
  }
  if (!turn.reads && !result.status.ok()) {
    // Cut off from a turn that may have ended before, regularly or not: what came of it is not known here.
    client.oracle = nullptr;
  }
  if (client.oracle == nullptr) return;
  ReplyOracle& oracle = *client.oracle;
  const std::string& text = turn.text;
  if (result.status.ok() && !EndedByBudget(result)) {
    const ReplyOracle::Reply reply = oracle.Say(turn.spec);
    EXPECT_EQ(text, reply.text);
    EXPECT_EQ(result.reason, reply.reason);
    EXPECT_EQ(result.usage.generated_tokens, reply.generated);
  } else if (kept) {
    const ReplyOracle::Reply reply = oracle.Say(turn.spec, result.usage.generated_tokens);
    EXPECT_TRUE(reply.cut);
    if (turn.spec.stop_strings.empty()) {
      EXPECT_EQ(text, reply.text);
    }
    EXPECT_TRUE(absl::StartsWith(reply.text, text)) << text << " is not how this begins: " << reply.text;
  } else {
    EXPECT_EQ(text, "");
    oracle.Undo(turn.spec, result.usage.fed_tokens);
  }
  EXPECT_EQ(memory.stream_tokens, oracle.stream_tokens());
}

void EngineSimulation::Pass() {
  ++tally_.passes;
  const bool worked = engine_->RunOnce();
  CheckBooks();
  CheckProgress();
  if (!worked) {
    const EngineStats stats = engine_->Stats();
    EXPECT_EQ(stats.running_turns, stats.paused_turns) << "a turn could run and does not";
    EXPECT_GT(engine_->NextWakeTime(), clock_.Now()) << "the engine would spin";
    if (stats.waiting_turns > 0) {
      EXPECT_GT(stats.running_turns, 0) << "a turn waits for nobody";
    }
  }
  ForgetEndedTurns();
}

void EngineSimulation::CheckBooks() {
  const EngineStats stats = engine_->Stats();
  const FakeCounters runner = runner_->counters();
  EXPECT_GE(stats.sessions, runner.live_caches);
  EXPECT_EQ(stats.cache_bytes, runner.used_bytes);
  EXPECT_LE(stats.parked_bytes, stats.parked_memory_bytes);
  EXPECT_LE(stats.parked_sessions, stats.sessions);
  EXPECT_LE(stats.sessions, options_.max_sessions);
  EXPECT_EQ(stats.sessions_created,
            stats.sessions + stats.sessions_expired + stats.sessions_deleted + stats.sessions_failed);
  EXPECT_EQ(submitted_, stats.turns_finished + stats.turns_cancelled + stats.turns_failed + stats.turns_rejected +
                            stats.waiting_turns + stats.running_turns);
  EXPECT_LE(stats.running_turns, options_.max_running_turns);
  EXPECT_LE(stats.waiting_turns, options_.max_waiting_turns);
  EXPECT_LE(runner.largest_batch, options_.max_running_turns);
  EXPECT_LE(runner.largest_step_tokens, options_.max_step_tokens);
  EXPECT_EQ(runner.refused_steps, 0) << "the runner found fault with a batch";
  EXPECT_EQ(stats.step_tokens, runner.stream_tokens);
  EXPECT_EQ(stats.steps, runner.steps + runner.failed_steps);
  // A client that does not read does not know where its turn is.
  int64_t running = 0, unfinished = 0, unknown = 0;
  for (const Turn& turn : turns_) {
    if (turn.sink.finished()) continue;
    ++(turn.sink.ReadyForMore() ? unfinished : unknown);
    if (turn.sink.ReadyForMore() && turn.started) ++running;
  }
  EXPECT_LE(running, stats.running_turns);
  EXPECT_GE(running + unknown, stats.running_turns);
  EXPECT_LE(unfinished, stats.running_turns + stats.waiting_turns);
  EXPECT_GE(unfinished + unknown, stats.running_turns + stats.waiting_turns);
}

void EngineSimulation::CheckProgress() {
  for (const Turn& turn : turns_) {
    if (!turn.started || turn.sink.finished() || !turn.sink.ReadyForMore()) continue;
    // Seen from outside, a service is a token's text. A plain greedy turn follows the script, whose tokens all have
    // some.
    const SamplingParams& sampling = turn.spec.sampling;
    if (sampling.temperature > 0 || sampling.needs_recent() || turn.spec.ignore_end_of_turn) continue;
    if (turn.spec.min_tokens > 0) continue;
    // A prefill needs a service per token at most; stop strings hold back one token's text.
    const bool decoding = !turn.sink.text().empty();
    const int64_t services = decoding ? 2 : turn.prompt_tokens + 2;
    EXPECT_LE(tally_.passes - turn.last_progress, services * (MostStepsUnserved() + 1)) << "a turn starves";
  }
}

int64_t EngineSimulation::MostStepsUnserved() const {
  const int64_t turns = options_.max_running_turns;
  const int64_t kinds = options_.max_step_tokens == 1 ? 2 : 1;
  if (!mixed_) return kinds * turns;
  // T tenants with at most N turns each are T + N - 1 turns at least: T * N is greatest where both are half of them.
  return kinds * kBatchShare * (turns + 1) * (turns + 1) / 4;
}

void EngineSimulation::ForgetEndedTurns() {
  turns_.remove_if([](const Turn& turn) { return turn.sink.finished(); });
}

void EngineSimulation::Run() {
  for (int64_t pass = Random(50, 600); pass > 0 && !testing::Test::HasFailure(); --pass) {
    Act();
    Pass();
  }
  if (testing::Test::HasFailure()) return engine_->Stop();
  bool drained = false;
  if (OneIn(2)) {
    engine_->Drain(clock_.Now() + absl::Seconds(Random(0, 30)), [&] { drained = true; });
    for (int64_t pass = 0; pass < 10'000 && !drained && !testing::Test::HasFailure(); ++pass) {
      if (OneIn(3)) clock_.Advance(absl::Seconds(1));
      Pass();
    }
    EXPECT_TRUE(drained);
    EXPECT_TRUE(turns_.empty());
  }
  engine_->Stop();
  CheckBooks();
  const EngineStats stats = engine_->Stats();
  tally_.endings["parked"] += stats.sessions_parked;
  tally_.endings["resumed"] += stats.sessions_resumed;
  tally_.endings["forked"] += stats.sessions_forked;
  tally_.endings["rewound"] += stats.sessions_rewound;
  EXPECT_EQ(engine_->Stats().running_turns + engine_->Stats().waiting_turns, 0) << "a client was left waiting";
  EXPECT_EQ(fed_, engine_->Stats().step_tokens);
  EXPECT_EQ(generated_, engine_->Stats().generated_tokens);
  EXPECT_EQ(evicted_, engine_->Stats().evicted_tokens);
  engine_.reset();
  EXPECT_EQ(runner_->counters().live_caches, 0);
}

}  // namespace perennial
