#include "client/command/reply_printer.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/command/format.h"
#include "client/command/utf8.h"

namespace perennial {

void ReplyPrinter::OnEvent(const v1::TurnEvent& event) {
  if (!event.session_id().empty()) session_id_ = event.session_id();
  if (event.turn() > 0) turn_ = event.turn();
  switch (event.event_case()) {
    case v1::TurnEvent::kQueued:
      if (event.queued().position() > 0) {
        ShowProgress(absl::StrCat("waiting for ", CountText(event.queued().position(), "turn", "turns")));
      }
      break;
    case v1::TurnEvent::kStarted:
      prompt_tokens_ = event.started().prompt_tokens();
      EraseProgress();
      break;
    case v1::TurnEvent::kDelta:
      text_ += event.delta().text();
      EraseProgress();
      if (!quiet_) WriteOut(console_.out_is_terminal ? TerminalSafe(event.delta().text()) : event.delta().text());
      break;
    case v1::TurnEvent::kEvicted:
      if (!evicted_.has_value()) {
        evicted_ = event.evicted();
      } else {
        evicted_->set_end_token(std::max(evicted_->end_token(), event.evicted().end_token()));
        evicted_->set_last_turn(std::max(evicted_->last_turn(), event.evicted().last_turn()));
      }
      break;
    case v1::TurnEvent::kHeartbeat:
      if (!text_.empty()) break;  // the text itself shows that the turn lives
      if (event.heartbeat().queue_position() > 0) {
        ShowProgress(absl::StrCat("waiting for ", CountText(event.heartbeat().queue_position(), "turn", "turns")));
      } else if (event.heartbeat().prompt_tokens() > 0) {
        ShowProgress(absl::StrCat("reading the prompt, ",
                                  100 * event.heartbeat().prompt_tokens_fed() / event.heartbeat().prompt_tokens(),
                                  " %"));
      }
      break;
    case v1::TurnEvent::kGoAway:
      EraseProgress();
      if (!quiet_) {
        WriteError(absl::StrCat(text_.empty() ? "" : "\n", "perennial: the server shuts down in ",
                                RoughDuration(FromProto(event.go_away().time_left())), "\n"));
      }
      break;
    default:  // finished, and events that this client does not know
      break;
  }
}

void ReplyPrinter::End() {
  EraseProgress();
  if (!quiet_ && !text_.empty() && !absl::EndsWith(text_, "\n")) WriteOut("\n");
}

void ReplyPrinter::ShowProgress(const std::string& line) {
  if (quiet_ || !console_.err_is_terminal || !console_.moves_cursor) return;
  WriteError(absl::StrCat("\r\033[K", Styled(absl::StrCat("… ", line), Style::kDim, console_.colours)));
  progress_shown_ = true;
}

void ReplyPrinter::EraseProgress() {
  if (!progress_shown_) return;
  WriteError("\r\033[K");
  progress_shown_ = false;
}

std::string ForgettingNotice(const std::optional<v1::Evicted>& evicted, const v1::SessionMemory& memory) {
  // Without an event the horizon is still inside the first turn that is being forgotten.
  const int64_t first_turn = evicted.has_value() ? evicted->first_turn() : std::min<int64_t>(1, memory.horizon_turn());
  const int64_t last_turn = evicted.has_value() ? evicted->last_turn() : memory.horizon_turn();
  return absl::StrCat("the cache is full: the model can no longer read all of ", TurnsText(first_turn, last_turn),
                      ". Its oldest tokens go as new ones come.");
}

}  // namespace perennial
