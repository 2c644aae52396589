// Turns that outlive their connections under a seeded storm: clients that stall, leave, come back, send twice, follow
// each other's turns and cancel. Whatever happens between, every client ends up with each event of its turn exactly as
// it was first said, and nothing is generated twice.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/engine/engine.h"
#include "tests/fake_clock.h"
#include "tests/fake_model_runner.h"
#include "tests/server/engine/stream_oracle.h"

namespace perennial {
namespace {

constexpr TokenId kEndToken = 2;
const std::vector<TokenId> kReplyEnd = {3, 10};
// Nothing is ever evicted: that is the other simulation's part.
constexpr CacheShape kShape = {.sink_tokens = 4, .note_tokens = 0, .window_tokens = 8000};

absl::string_view BytesOf(TokenId token) {
  static const std::string* const kAscii = [] {
    auto* ascii = new std::string;
    for (int c = 0; c < 128; ++c) ascii->push_back(static_cast<char>(c));
    return ascii;
  }();
  return token < 128 ? absl::string_view(*kAscii).substr(static_cast<size_t>(token), 1) : "";
}

// What an event says, to be compared with its replay.
std::string TextOf(const TurnEvent& event) {
  if (const auto* delta = std::get_if<TurnDelta>(&event.event)) return absl::StrCat("delta ", delta->text);
  if (const auto* queued = std::get_if<TurnQueued>(&event.event)) return absl::StrCat("queued ", queued->position);
  if (const auto* started = std::get_if<TurnStarted>(&event.event)) {
    return absl::StrCat("started ", started->turn, " ", started->prompt_tokens);
  }
  return absl::StrCat("event ", event.event.index());
}

// One message of a client, and all that it has learnt of its reply over however many calls.
struct Wish {
  size_t session = 0;
  TurnSpec spec;
  // A turn that left no trace may be asked for again; what is known is of the last attempt.
  int64_t attempt = 0;
  std::map<int64_t, std::string> events;  // by number
  int64_t turn = 0;                       // once it has started
  std::optional<TurnResult> end;          // the turn's own
  std::string reply;                      // of `events`, once ended

  bool has_text() const {
    return std::any_of(events.begin(), events.end(),
                       [](const auto& event) { return event.second.starts_with("delta "); });
  }
  int64_t next() const { return events.empty() ? 1 : events.rbegin()->first + 1; }
};

// One call that follows a turn.
class Call : public TurnSink {
 public:
  Call(Wish* for_wish, bool is_chat, int64_t first)
      : wish(for_wish), chat(is_chat), attempt(for_wish->attempt), next(first) {}

  void OnEvent(TurnEvent event) override {
    EXPECT_FALSE(finished);
    if (const auto* turn_state = std::get_if<TurnState>(&event.event)) {
      state = *turn_state;
      return;
    }
    if (std::holds_alternative<TurnHeartbeat>(event.event)) return;
    EXPECT_EQ(event.sequence, next++) << "an event is missing or doubled";
    if (attempt != wish->attempt) return;
    own_events[event.sequence] = TextOf(event);
    const auto [known, is_new] = wish->events.emplace(event.sequence, TextOf(event));
    if (known->second != TextOf(event) && chat && !wish->has_text()) {
      attempt = ++wish->attempt;  // another turn: the one before left no trace
      wish->events = own_events;
    } else {
      EXPECT_EQ(known->second, TextOf(event)) << "a replay says something else";
    }
    if (const auto* started = std::get_if<TurnStarted>(&event.event)) wish->turn = started->turn;
  }
  void OnFinish(TurnResult turn_result) override {
    EXPECT_FALSE(finished);
    finished = true;
    result = std::move(turn_result);
  }
  bool ReadyForMore() const override { return ready; }

  Wish* const wish;
  const bool chat;  // else Attach
  int64_t attempt;
  std::map<int64_t, std::string> own_events;
  int64_t next;  // number of the next event
  std::shared_ptr<TurnTicket> ticket;
  std::optional<TurnState> state;
  bool ready = true;
  bool finished = false;
  bool left = false;
  TurnResult result;
};

class StreamSimulation {
 public:
  explicit StreamSimulation(uint64_t seed) : random_(seed) {
    options_.replay_bytes = Random(4096, 16384);
    options_.max_running_turns = static_cast<int32_t>(Random(1, 5));
    options_.max_step_tokens = static_cast<int32_t>(Random(2, 40));
    options_.max_readers_per_turn = static_cast<int32_t>(Random(1, 4));
    options_.max_turns_per_session = static_cast<int32_t>(Random(2, 30));
    options_.detach_timeout = absl::Seconds(Random(5, 100));
    options_.slow_reader_timeout = absl::Seconds(Random(2, 40));
    options_.max_note_tokens = 0;  // at most a step's tokens
    options_.request_id_ttl = absl::Hours(100);
    script_ = RepliesFrom({'a', 'b', 'c', 'd'}, kEndToken, static_cast<int32_t>(Random(5, 150)));
    runner_ = std::make_unique<FakeModelRunner>(FakeOptions{.script = script_, .before_step = {}});
    EngineModel model;
    model.runner = runner_.get();
    model.token_bytes = BytesOf;
    model.end_tokens = {kEndToken};
    model.reply_end = kReplyEnd;
    engine_ = *Engine::Create(options_, std::move(model), &clock_, [this] { return random_(); });
    for (int64_t i = Random(1, 5); i > 0; --i) {
      SessionSpec spec;
      spec.shape = kShape;
      spec.idle_timeout = absl::Hours(100);
      engine_->CreateSession(spec, [this](absl::StatusOr<SessionSummary> made) { sessions_.push_back(made->id); });
      engine_->RunOnce();
    }
  }
  ~StreamSimulation() { engine_.reset(); }

  void Run() {
    for (int64_t pass = Random(100, 700); pass > 0 && !testing::Test::HasFailure(); --pass) {
      Act();
      Pass();
    }
    // Everybody comes back and reads to the end.
    for (int pass = 0; pass < 50'000 && !testing::Test::HasFailure() && !AllEnded(); ++pass) {
      for (Call& call : calls_) call.ready = true;
      for (Wish& wish : wishes_) {
        if (!wish.end.has_value() && !IsFollowed(wish) && OneIn(3)) ComeBack(wish, /*by_chat=*/false);
      }
      Pass();
    }
    EXPECT_TRUE(AllEnded()) << "a turn has no end";
    if (!testing::Test::HasFailure()) CheckReplies();
    const EngineStats stats = engine_->Stats();
    int64_t generated = 0;
    for (const Wish& wish : wishes_) generated += wish.end.has_value() ? wish.end->usage.generated_tokens : 0;
    EXPECT_EQ(generated, stats.generated_tokens) << "something was generated twice";
    EXPECT_EQ(stats.detached_turns, 0);
    engine_->Stop();
    ForgetCalls();
    EXPECT_TRUE(calls_.empty()) << "a reader has no end";
  }

  std::map<std::string, int64_t> tally;

 private:
  int64_t Random(int64_t least, int64_t most) {
    return least + static_cast<int64_t>(random_() % static_cast<uint64_t>(most - least + 1));
  }
  bool OneIn(int64_t n) { return Random(1, n) == 1; }
  template <typename List>
  auto* AnyOf(List& list) {
    return list.empty() ? nullptr : &*std::next(list.begin(), Random(0, static_cast<int64_t>(list.size()) - 1));
  }
  bool AllEnded() const {
    return std::all_of(wishes_.begin(), wishes_.end(), [](const Wish& wish) { return wish.end.has_value(); });
  }
  bool IsFollowed(const Wish& wish) const {
    return std::any_of(calls_.begin(), calls_.end(),
                       [&wish](const Call& call) { return call.wish == &wish && !call.left && !call.finished; });
  }

  void Act() {
    if (wishes_.size() < 30 && OneIn(6)) Say();
    if (Call* call = AnyOf(calls_); call != nullptr) {
      if (OneIn(8)) {
        call->ready = !call->ready;
        ++tally["stall"];
      } else if (OneIn(12)) {
        call->ticket->Leave();
        call->left = true;
        ++tally["leave"];
      }
    }
    if (Wish* wish = AnyOf(wishes_); wish != nullptr) {
      if (!wish->end.has_value() && OneIn(IsFollowed(*wish) ? 20 : 2)) ComeBack(*wish, OneIn(2));
      if (OneIn(60)) CancelTurn(*wish);
    }
    if (OneIn(3)) clock_.Advance(absl::Seconds(1));
  }

  void Say() {
    Wish& wish = wishes_.emplace_back();
    wish.session = static_cast<size_t>(Random(0, static_cast<int64_t>(sessions_.size()) - 1));
    wish.spec.session_id = sessions_[wish.session];
    for (int64_t i = Random(1, 30); i > 0; --i)
      wish.spec.message.tokens.push_back(static_cast<TokenId>(Random(0, 255)));
    wish.spec.sampling.temperature = 0;
    wish.spec.max_tokens = Random(1, 200);
    wish.spec.request = {.id = absl::StrCat("id", wishes_.size()), .fingerprint = wishes_.size()};
    wish.spec.on_disconnect = OneIn(3) ? OnDisconnect::kCancel : OnDisconnect::kContinue;
    if (OneIn(10)) wish.spec.if_busy = IfBusy::kInterrupt;
    ComeBack(wish, /*by_chat=*/true);
  }

  // Chat again, or Attach where the client has left off.
  void ComeBack(Wish& wish, bool by_chat) {
    Call& call = calls_.emplace_back(&wish, by_chat, by_chat ? 1 : wish.next());
    if (by_chat) {
      call.ticket = engine_->Submit(wish.spec, &call);
      ++tally["chat"];
    } else {
      call.ticket = engine_->Attach({.turn = {.session_id = wish.spec.session_id, .request_id = wish.spec.request.id},
                                     .from_sequence = call.next},
                                    &call);
      ++tally["attach"];
    }
  }

  void CancelTurn(Wish& wish) {
    ++tally["cancel"];
    engine_->CancelTurn({.session_id = wish.spec.session_id, .request_id = wish.spec.request.id},
                        [](absl::StatusOr<int32_t> count) { EXPECT_TRUE(count.ok() && *count <= 1); });
  }

  void Pass() {
    const bool worked = engine_->RunOnce();
    const EngineStats stats = engine_->Stats();
    if (!worked) {
      EXPECT_EQ(stats.running_turns, stats.paused_turns) << "a turn could run and does not";
      EXPECT_GT(engine_->NextWakeTime(), clock_.Now()) << "the engine would spin";
    }
    if (stats.paused_turns > 0) ++tally["paused"];
    if (stats.detached_turns > 0) ++tally["detached"];
    for (Call& call : calls_) {
      if (call.finished) Learn(call);
    }
    ForgetCalls();
  }
  void ForgetCalls() {
    calls_.remove_if([](const Call& call) { return call.finished; });
  }

  // What a client makes of the end of a call.
  void Learn(Call& call) {
    Wish& wish = *call.wish;
    if (call.attempt != wish.attempt) return;
    const absl::Status& status = call.result.status;
    const std::optional<ErrorReason> reason = ReasonOf(status);
    if (reason.has_value()) ++tally[std::string(ErrorReasonName(*reason))];
    // Not its own slowness or leaving: what it was told when it came after the end, or with it.
    const bool own_end =
        status.ok() || (call.state.has_value() && call.state->phase == TurnPhase::kEnded && !call.left && call.ready);
    if (own_end) {
      ++tally[status.ok() ? "ended" : "ended badly"];
      EXPECT_EQ(call.result.sequence, call.next) << "the end comes too early";
      if (call.chat && call.next < wish.next() && !wish.has_text()) {
        wish.events = call.own_events;  // another turn: the one before left no trace
        ++wish.attempt;
      }
      EXPECT_EQ(wish.next(), call.next);
      if (wish.end.has_value()) {
        EXPECT_EQ(call.result.turn, wish.end->turn);
        EXPECT_EQ(call.result.usage.generated_tokens, wish.end->usage.generated_tokens);
        return;
      }
      wish.end = call.result;
      for (const auto& [sequence, text] : wish.events) {
        if (text.starts_with("delta ")) wish.reply += text.substr(6);
      }
    } else if (reason == ErrorReason::kBeyondReplay && !call.chat) {
      // Where the client has left off is always kept; so the turn has left no trace, and may be asked for again.
      EXPECT_FALSE(wish.has_text()) << "text was lost";
      EXPECT_FALSE(wish.end.has_value());
      wish.events.clear();
      ++wish.attempt;
      ++tally["asked again"];
      if (!IsFollowed(wish)) ComeBack(wish, /*by_chat=*/true);
    }
  }

  // Turn by turn, what the model says without any disturbance.
  void CheckReplies() {
    for (size_t session = 0; session < sessions_.size(); ++session) {
      SessionSpec spec;
      spec.shape = kShape;
      StreamOracle oracle(script_, spec, {kEndToken}, kReplyEnd);
      std::map<int64_t, const Wish*> turns;
      for (const Wish& wish : wishes_) {
        if (wish.session != session || wish.end->usage.generated_tokens == 0) continue;
        EXPECT_TRUE(turns.emplace(wish.end->turn, &wish).second) << "two wishes are one turn";
      }
      for (const auto& [number, wish] : turns) {
        const bool whole = wish->end->status.ok() && wish->end->reason != FinishReason::kCancelled;
        const StreamOracle::Reply reply =
            whole ? oracle.Say(wish->spec) : oracle.Say(wish->spec, wish->end->usage.generated_tokens);
        EXPECT_EQ(wish->reply, reply.text) << "session " << session << " turn " << number;
      }
    }
  }

  std::mt19937_64 random_;
  EngineOptions options_;
  FakeScript script_;
  FakeClock clock_;
  std::unique_ptr<FakeModelRunner> runner_;
  std::unique_ptr<Engine> engine_;
  std::vector<std::string> sessions_;
  std::list<Wish> wishes_;  // addresses are stable; likewise below
  std::list<Call> calls_;   // that have not ended
};

TEST(StreamSimulationTest, NoCharacterIsLostOrDoubledAndNothingIsGeneratedTwice) {
  uint64_t first = 1, last = 200;
  if (const char* only = std::getenv("PERENNIAL_SEED"); only != nullptr) {
    ASSERT_TRUE(absl::SimpleAtoi(only, &first)) << "PERENNIAL_SEED is not a number";
    last = first;
  }
  std::map<std::string, int64_t> tally;
  for (uint64_t seed = first; seed <= last; ++seed) {
    StreamSimulation simulation(seed);
    simulation.Run();
    for (const auto& [what, times] : simulation.tally) tally[what] += times;
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
  for (const auto& [what, times] : tally) std::cout << what << " " << times << ", ";
  std::cout << std::endl;
  if (first == last) return;
  for (const char* what : {"stall", "leave", "chat", "attach", "cancel", "paused", "detached", "ended", "ended badly",
                           "asked again", "SLOW_READER", "QUEUE_FULL", "BEYOND_REPLAY"}) {
    EXPECT_GT(tally[what], 0) << "the storm never raised " << what;
  }
}

}  // namespace
}  // namespace perennial
