#include "tests/simulation/known_session.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/engine/error.h"

namespace perennial {

void SessionTruth::Begin(std::unique_ptr<StreamOracle> oracle, int64_t last_turn, std::vector<int64_t> turns,
                         std::string log) {
  oracle_ = std::move(oracle);
  last_turn_ = last_turn;
  turns_ = std::move(turns);
  log_ = std::move(log);
  Settle();
}

void SessionTruth::AddTurn(const std::shared_ptr<TurnStory>& story) {
  if (!lost_) stories_.emplace(story->turn, story);
}

void SessionTruth::AddAction(int64_t last_turn, Action action) {
  if (lost_) return;
  ++actions_added_;
  actions_.emplace(last_turn, std::move(action));
  Settle();
}

void SessionTruth::AddNotes(int64_t last_turn, int64_t at, std::vector<TokenId> tokens) {
  if (!lost_) notes_.push_back({last_turn, actions_added_, at, std::move(tokens)});
}

void SessionTruth::HandOverNotes() {
  std::erase_if(notes_, [this](Notes& notes) {
    if (notes.last_turn > last_turn_ || notes.actions > actions_done_) return false;
    log_ += absl::StrCat("notes at ", notes.at, ": ", notes.tokens.size(), " tokens\n");
    oracle_->WriteNotes(notes.at, std::move(notes.tokens));
    return true;
  });
}

void SessionTruth::Settle() {
  while (!lost_ && oracle_ != nullptr) {
    if (const auto action = actions_.find(last_turn_); action != actions_.end()) {
      const Action now = std::move(action->second);
      actions_.erase(action);
      HandOverNotes();
      log_ += absl::StrCat("action after turn ", last_turn_, " of ", oracle_->stream_tokens(), " tokens\n");
      now(*this);
      ++actions_done_;
      continue;
    }
    const auto next = stories_.find(last_turn_ + 1);
    if (next == stories_.end() || !next->second->end.has_value()) return;
    const std::shared_ptr<TurnStory> story = next->second;
    stories_.erase(next);
    ++last_turn_;
    if (ReasonOf(story->end->status) == ErrorReason::kModelFailure) return Lose();  // nobody asks that session again
    HandOverNotes();
    Check(*story);
  }
}

void SessionTruth::Lose() {
  lost_ = true;
  oracle_.reset();
  stories_.clear();
  actions_.clear();
  notes_.clear();
}

void SessionTruth::Rewind(int64_t to_turn) {
  turns_.erase(std::upper_bound(turns_.begin(), turns_.end(), to_turn), turns_.end());
  oracle_->Rewind(static_cast<int64_t>(turns_.size()));
  log_ += absl::StrCat("rewound to turn ", to_turn, "\n");
}

void SessionTruth::Check(const TurnStory& story) {
  ++turns_checked_;
  log_ +=
      absl::StrCat("turn ", story.turn, story.request->spec.reply ? "" : " (append)", ": ", ToText(*story.end), "\n");
  const testing::ScopedTrace trace(__FILE__, __LINE__, log_);
  const TurnResult& end = *story.end;
  const TurnSpec& spec = story.request->spec;
  const std::string text = story.text();
  const int64_t generated = end.usage.generated_tokens;
  const bool by_itself = EndedByItself(end);
  if (generated == 0 && !(by_itself && !spec.reply)) {
    EXPECT_FALSE(by_itself) << ToText(end);
    EXPECT_EQ(text, "") << "an undone turn has said something";
    oracle_->Undo(spec, end.usage.fed_tokens);
  } else {
    turns_.push_back(story.turn);
    const StreamOracle::Reply reply = by_itself ? oracle_->Say(spec) : oracle_->Say(spec, generated);
    EXPECT_EQ(generated, reply.generated) << ToText(end);
    // A budget may be used up with the reply's last token.
    const bool budget = end.status.ok() && end.reason != FinishReason::kCancelled && !by_itself;
    EXPECT_TRUE(reply.cut == !by_itself || budget) << ToText(end);
    if (by_itself) {
      EXPECT_EQ(end.reason, reply.reason);
    }
    if (!story.complete()) {
      EXPECT_LE(text.size(), reply.text.size());
    } else if (by_itself || spec.stop_strings.empty()) {
      EXPECT_EQ(text, reply.text);
    } else {
      EXPECT_TRUE(absl::StartsWith(reply.text, text)) << text << " is not how this begins: " << reply.text;
    }
  }
  EXPECT_EQ(end.memory.stream_tokens, oracle_->stream_tokens()) << ToText(end);
  EXPECT_EQ(end.memory.horizon_token, oracle_->horizon()) << ToText(end);
}

}  // namespace perennial
