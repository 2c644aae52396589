#include "client/command/chat_session.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace perennial {
namespace {

// Joining a session with more turns than this, older ones are left to the server.
constexpr int64_t kMaxKnownTurns = 10'000;

}  // namespace

ChatSession::ChatSession(ChatClient& client, v1::SessionConfig config, std::optional<int32_t> note_tokens)
    : client_(client), config_(std::move(config)), note_tokens_(note_tokens) {}

void ChatSession::Adopt(v1::Session session) {
  session_ = std::move(session);
  turns_.clear();
  if (session_.turns() != session_.last_turn()) return;  // there are gaps, and where is not known
  const int64_t first = std::max<int64_t>(1, session_.last_turn() - kMaxKnownTurns + 1);
  turns_.resize(static_cast<size_t>(session_.last_turn() - first + 1));
  std::iota(turns_.begin(), turns_.end(), first);
}

absl::Status ChatSession::GoOnWith(const std::string& id) {
  auto session = client_.GetSession(id);
  if (!session.ok()) return session.status();
  Adopt(*std::move(session));
  return absl::OkStatus();
}

absl::Status ChatSession::Create() {
  v1::SessionConfig config = config_;
  if (note_tokens_.has_value()) {
    config.set_note_tokens(*note_tokens_);
  } else if (const auto model = client_.GetModel(); model.ok()) {
    const int32_t cache_tokens = config.has_cache_tokens() ? config.cache_tokens() : model->defaults().cache_tokens();
    config.set_note_tokens(std::min({kDefaultNoteTokens, model->limits().max_note_tokens(), cache_tokens / 8}));
  }
  auto session = client_.CreateSession(std::move(config));
  if (!session.ok()) return session.status();
  Adopt(*std::move(session));
  made_.insert(id());
  return absl::OkStatus();
}

absl::Status ChatSession::Fork() {
  v1::ForkSessionRequest request;
  request.set_session_id(id());
  auto fork = client_.ForkSession(std::move(request));
  if (!fork.ok()) return fork.status();
  std::vector<int64_t> turns = turns_;  // the fork has the same
  Adopt(*std::move(fork));
  turns_ = std::move(turns);
  made_.insert(id());
  return absl::OkStatus();
}

absl::Status ChatSession::Rewind(int64_t to_turn) {
  v1::RewindSessionRequest request;
  request.set_session_id(id());
  request.set_to_turn(to_turn);
  request.set_expected_turn(last_turn());
  auto session = client_.RewindSession(std::move(request));
  if (!session.ok()) return session.status();
  session_ = *std::move(session);
  turns_.erase(std::upper_bound(turns_.begin(), turns_.end(), to_turn), turns_.end());
  return absl::OkStatus();
}

absl::Status ChatSession::Refresh() {
  const int64_t last_turn = session_.last_turn();
  const int64_t turns = session_.turns();
  auto session = client_.GetSession(id());
  if (!session.ok()) return session.status();
  if (session->last_turn() == last_turn && session->turns() == turns) {
    session_ = *std::move(session);  // what is known of its turns still holds
  } else {
    Adopt(*std::move(session));
  }
  return absl::OkStatus();
}

void ChatSession::NoteTurn(int64_t turn, bool kept) {
  if (turn > session_.last_turn()) session_.set_last_turn(turn);
  if (!kept || (!turns_.empty() && turns_.back() >= turn)) return;
  turns_.push_back(turn);
  session_.set_turns(session_.turns() + 1);
}

int64_t ChatSession::TurnBack(int64_t count) const {
  const auto known = static_cast<int64_t>(turns_.size());
  if (count < known) return turns_[static_cast<size_t>(known - 1 - count)];
  // Before the oldest one that is known here; all of them are, unless there are gaps.
  const int64_t oldest = turns_.empty() ? session_.last_turn() + 1 : turns_.front();
  return session_.turns() <= count ? 0 : std::max<int64_t>(0, oldest - 1 - (count - known));
}

void ChatSession::DeleteCurrent() {
  if (made_.erase(id()) > 0) (void)client_.DeleteSession(id());
}

void ChatSession::DeleteAll() {
  for (const std::string& id : std::exchange(made_, {})) (void)client_.DeleteSession(id);
}

}  // namespace perennial
