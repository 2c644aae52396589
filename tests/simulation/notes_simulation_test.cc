// Notes under a seeded storm: several sessions talk, are given messages, cancel, and rewrite their notes at any moment.
// Every reply must be what the oracle says with the same notes at the same points of the stream.

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
#include "tests/server/engine/stream_oracle.h"

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

class NotesSimulation {
 public:
  explicit NotesSimulation(uint64_t seed) : random_(seed) {
    options_.max_step_tokens = static_cast<int32_t>(Random(1, 40));
    options_.max_note_tokens = static_cast<int32_t>(Random(1, options_.max_step_tokens));
    options_.prefill_chunk_tokens = static_cast<int32_t>(Random(1, 30));
    options_.max_running_turns = static_cast<int32_t>(Random(1, 4));
    options_.evict_notice_tokens = static_cast<int32_t>(Random(0, 20));
    script_ = RepliesFrom({'a', 'b', 'c', 'd', 'e'}, kEndToken, static_cast<int32_t>(Random(1, 25)));
    runner_ = std::make_unique<FakeModelRunner>(
        FakeOptions{.script = script_, .before_step = [this](absl::Span<const StepInput> batch) { Look(batch); }});
    EngineModel model;
    model.runner = runner_.get();
    model.token_bytes = BytesOf;
    model.end_tokens = {kEndToken};
    model.reply_end = kReplyEnd;
    engine_ = *Engine::Create(options_, std::move(model), &clock_, [this] { return random_(); });
    for (TokenId number = 0; number < 4; ++number) CreateSession(number);
  }
  ~NotesSimulation() { engine_.reset(); }

  void Run() {
    for (int64_t pass = Random(100, 500); pass > 0 && !testing::Test::HasFailure(); --pass) {
      for (Client& client : clients_) Act(client);
      engine_->RunOnce();
      EXPECT_EQ(runner_->counters().refused_steps, 0) << "the runner found fault with a batch";
      EXPECT_LE(runner_->counters().largest_step_tokens, options_.max_step_tokens);
      EXPECT_EQ(engine_->Stats().note_tokens, runner_->counters().note_tokens);
      EXPECT_EQ(engine_->Stats().step_tokens, runner_->counters().stream_tokens);
    }
    engine_->Stop();
    EXPECT_EQ(asked_, answered_) << "somebody still waits for notes";
  }

  int64_t undone = 0, said = 0, appended = 0, written = 0;

 private:
  struct Client {
    std::string session_id;
    TokenId number = 0;
    int32_t note_budget = 0;
    std::unique_ptr<StreamOracle> oracle;
    std::unique_ptr<RecordingTurnSink> sink;  // of the turn that runs or waits
    TurnSpec spec;
    std::shared_ptr<TurnTicket> ticket;
  };

  int64_t Random(int64_t least, int64_t most) {
    return least + static_cast<int64_t>(random_() % static_cast<uint64_t>(most - least + 1));
  }
  bool OneIn(int64_t n) { return Random(1, n) == 1; }
  std::vector<TokenId> Tokens(int64_t count) {
    std::vector<TokenId> tokens;
    for (; count > 0; --count) tokens.push_back(static_cast<TokenId>(Random(4, 255)));
    return tokens;
  }

  void CreateSession(TokenId number) {
    Client& client = clients_.emplace_back();
    client.number = number;
    client.note_budget = static_cast<int32_t>(Random(1, options_.max_note_tokens));
    SessionSpec spec;
    spec.shape = {.sink_tokens = static_cast<int32_t>(Random(0, 9)),
                  .note_tokens = client.note_budget,
                  .window_tokens = static_cast<int32_t>(Random(1, 50))};
    spec.opening = Tokens(Random(0, 12));
    spec.idle_timeout = absl::Hours(1);
    client.oracle = std::make_unique<StreamOracle>(script_, spec, std::vector<TokenId>{kEndToken}, kReplyEnd);
    engine_->CreateSession(spec, [&client](absl::StatusOr<SessionSummary> session) {
      ASSERT_TRUE(session.ok()) << session.status();
      client.session_id = session->id;
    });
    engine_->RunOnce();
  }

  void Act(Client& client) {
    if (OneIn(6)) WriteNotes(client);
    if (client.sink == nullptr) {
      if (OneIn(3)) Submit(client);
    } else if (OneIn(20)) {
      client.ticket->Leave();
    }
    if (client.sink != nullptr && client.sink->finished()) Check(client);
  }

  void WriteNotes(Client& client) {
    NotesSpec notes;
    notes.tokens = Tokens(Random(0, client.note_budget - 1));
    notes.tokens.insert(notes.tokens.begin(), client.number);  // whose they are
    ++asked_;
    engine_->SetNotes(client.session_id, std::move(notes), [this](absl::StatusOr<SessionNotes> answer) {
      EXPECT_TRUE(answer.ok() || ReasonOf(answer.status()) == ErrorReason::kShuttingDown) << answer.status();
      ++answered_;
    });
  }

  void Submit(Client& client) {
    client.spec = TurnSpec();
    client.spec.session_id = client.session_id;
    client.spec.message.tokens = Tokens(OneIn(4) ? Random(20, 120) : Random(1, 20));
    client.spec.max_tokens = Random(1, 30);
    client.spec.sampling.temperature = 0;
    client.spec.reply = !OneIn(4);
    client.sink = std::make_unique<RecordingTurnSink>();
    client.ticket = engine_->Submit(client.spec, client.sink.get());
  }

  // Tells the oracle what reached the cache, and when.
  void Look(absl::Span<const StepInput> batch) {
    for (const StepInput& input : batch) {
      if (input.part != Part::kNotes) continue;
      ASSERT_FALSE(input.tokens.empty());
      ++written;
      for (Client& client : clients_) {
        if (client.number != input.tokens[0]) continue;
        // A turn that ended in the last pass was not yet looked at.
        if (client.sink != nullptr && client.sink->finished()) Check(client);
        client.oracle->WriteNotes(input.cache->num_tokens(),
                                  std::vector<TokenId>(input.tokens.begin(), input.tokens.end()));
      }
    }
  }

  void Check(Client& client) {
    const TurnResult result = client.sink->result();
    const std::string text = client.sink->text();
    client.sink = nullptr;
    if (result.turn == 0) return;  // it left before it was admitted
    if (!result.status.ok() && result.usage.generated_tokens == 0) {
      ++undone;
      client.oracle->Undo(client.spec, result.usage.fed_tokens);
    } else {
      ++(client.spec.reply ? said : appended);
      const StreamOracle::Reply reply = result.status.ok()
                                            ? client.oracle->Say(client.spec)
                                            : client.oracle->Say(client.spec, result.usage.generated_tokens);
      EXPECT_EQ(text, reply.text);
      EXPECT_EQ(result.usage.generated_tokens, reply.generated);
    }
    EXPECT_EQ(result.memory.stream_tokens, client.oracle->stream_tokens());
  }

  std::mt19937_64 random_;
  EngineOptions options_;
  FakeScript script_;
  FakeClock clock_;
  std::unique_ptr<FakeModelRunner> runner_;
  std::unique_ptr<Engine> engine_;
  std::list<Client> clients_;
  int64_t asked_ = 0;
  int64_t answered_ = 0;
};

TEST(NotesSimulationTest, EveryReplyHasSeenTheNotesOfItsTime) {
  int64_t undone = 0, said = 0, appended = 0, written = 0;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    NotesSimulation simulation(seed);
    simulation.Run();
    ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
    undone += simulation.undone;
    said += simulation.said;
    appended += simulation.appended;
    written += simulation.written;
  }
  EXPECT_GT(undone, 0);
  EXPECT_GT(said, 0);
  EXPECT_GT(appended, 0);
  EXPECT_GT(written, 0);
}

}  // namespace
}  // namespace perennial
