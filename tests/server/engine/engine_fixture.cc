#include "tests/server/engine/engine_fixture.h"

#include <algorithm>
#include <array>
#include <utility>

namespace perennial {
namespace {

absl::string_view BytesOf(TokenId token) {
  static const std::array<char, 128> kCharacters = [] {
    std::array<char, 128> characters{};
    for (size_t i = 0; i < characters.size(); ++i) characters[i] = static_cast<char>(i);
    return characters;
  }();
  if (token < 0 || token >= 128) return "";
  return absl::string_view(&kCharacters[static_cast<size_t>(token)], 1);
}

}  // namespace

std::vector<TokenId> TokensOf(absl::string_view text) { return std::vector<TokenId>(text.begin(), text.end()); }

Engine& EngineFixture::engine() {
  if (engine_ == nullptr) MakeEngine();
  return *engine_;
}

FakeModelRunner& EngineFixture::runner() {
  if (engine_ == nullptr) MakeEngine();
  return *runner_;
}

void EngineFixture::MakeEngine() {
  runner_ = std::make_unique<FakeModelRunner>(fake_);
  EngineModel model;
  model.runner = runner_.get();
  model.token_bytes = BytesOf;
  model.end_tokens = end_tokens_;
  model.reply_end = reply_end_;
  model.parked_store = parked_store_.get();
  model.on_failure = [this](const absl::Status& status) { failures_.push_back(status); };
  options_.max_note_tokens = std::min(options_.max_note_tokens, options_.max_step_tokens);
  absl::StatusOr<std::unique_ptr<Engine>> engine =
      Engine::Create(options_, std::move(model), &clock_, [this] { return next_bits_++ * 0x9e3779b97f4a7c15; });
  ASSERT_TRUE(engine.ok()) << engine.status();
  engine_ = *std::move(engine);
}

void EngineFixture::RunUntilIdle() {
  for (int pass = 0; pass < 100'000; ++pass) {
    if (!RunOnce()) return;
  }
  FAIL() << "the engine does not come to rest";
}

SessionSpec EngineFixture::Spec(std::vector<TokenId> opening) const {
  return {.shape = shape_,
          .eviction = eviction_,
          .opening = std::move(opening),
          .first_turn = FirstTurn::kUsual,
          .idle_timeout = absl::Hours(1),
          .route = "route",
          .labels = {}};
}

absl::StatusOr<SessionSummary> EngineFixture::TryCreateSession(SessionSpec spec) {
  absl::StatusOr<SessionSummary> created = absl::UnknownError("not called");
  engine().CreateSession(std::move(spec),
                         [&](absl::StatusOr<SessionSummary> session) { created = std::move(session); });
  RunOnce();
  return created;
}

std::string EngineFixture::CreateSession(std::vector<TokenId> opening) {
  const absl::StatusOr<SessionSummary> session = TryCreateSession(Spec(std::move(opening)));
  EXPECT_TRUE(session.ok()) << session.status();
  return session.ok() ? session->id : "";
}

absl::StatusOr<SessionSummary> EngineFixture::GetSession(const std::string& id) {
  absl::StatusOr<SessionSummary> found = absl::UnknownError("not called");
  engine().GetSession(id, [&](absl::StatusOr<SessionSummary> session) { found = std::move(session); });
  RunOnce();
  return found;
}

absl::StatusOr<SessionSummary> EngineFixture::DeleteSession(const std::string& id) {
  absl::StatusOr<SessionSummary> deleted = absl::UnknownError("not called");
  engine().DeleteSession(id, [&](absl::StatusOr<SessionSummary> session) { deleted = std::move(session); });
  RunOnce();
  return deleted;
}

absl::StatusOr<SessionNotes> EngineFixture::SetNotes(const std::string& id, NotesSpec notes) {
  absl::StatusOr<SessionNotes> written = absl::UnknownError("not called");
  engine().SetNotes(id, std::move(notes), [&](absl::StatusOr<SessionNotes> answer) { written = std::move(answer); });
  RunOnce();
  return written;
}

absl::StatusOr<SessionNotes> EngineFixture::PinTurn(const std::string& id, int64_t turn) {
  absl::StatusOr<SessionNotes> pinned = absl::UnknownError("not called");
  engine().PinTurn(id, turn, [&](absl::StatusOr<SessionNotes> answer) { pinned = std::move(answer); });
  RunOnce();
  return pinned;
}

absl::StatusOr<SessionSummary> EngineFixture::ForkSession(const std::string& id, std::optional<Labels> labels) {
  absl::StatusOr<SessionSummary> forked = absl::UnknownError("not called");
  engine().ForkSession({.session_id = id, .labels = std::move(labels), .request = {}},
                       [&](absl::StatusOr<SessionSummary> session) { forked = std::move(session); });
  for (int pass = 0; pass < 1000 && absl::IsUnknown(forked.status()); ++pass) RunOnce();
  return forked;
}

absl::StatusOr<SessionSummary> EngineFixture::RewindSession(const std::string& id, int64_t to_turn,
                                                            std::optional<int64_t> expected_turn) {
  absl::StatusOr<SessionSummary> rewound = absl::UnknownError("not called");
  engine().RewindSession({.session_id = id, .to_turn = to_turn, .expected_turn = expected_turn, .request = {}},
                         [&](absl::StatusOr<SessionSummary> session) { rewound = std::move(session); });
  RunOnce();
  return rewound;
}

void EngineFixture::SetRoom(int64_t count, int64_t parked) {
  const int64_t bytes = shape_.capacity() * FakeModelRunner::kRowBytes;
  fake_.cache_memory_bytes = count * bytes;
  options_.parked_memory = parked * bytes;
}

TurnSpec EngineFixture::Turn(const std::string& session, absl::string_view text, int64_t max_tokens) const {
  TurnSpec spec;
  spec.session_id = session;
  spec.message.tokens = TokensOf(text);
  spec.message.tokens.push_back(kStart);
  spec.sampling.temperature = 0;
  spec.max_tokens = max_tokens;
  return spec;
}

TurnResult EngineFixture::Run(TurnSpec spec, RecordingTurnSink& sink) {
  engine().Submit(std::move(spec), &sink);
  RunUntilIdle();
  return sink.result();
}

std::string EngineFixture::Say(const std::string& session, absl::string_view text, int64_t max_tokens) {
  RecordingTurnSink sink;
  const TurnResult result = Run(Turn(session, text, max_tokens), sink);
  EXPECT_TRUE(result.status.ok()) << result.status;
  return sink.text();
}

}  // namespace perennial
