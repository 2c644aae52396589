#include "client/command/reply_printer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/command/format.h"
#include "client/command/horizon_text.h"
#include "client/command/utf8.h"
#include "client/error_text.h"

namespace perennial {

void ReplyPrinter::OnEvent(const v1::TurnEvent& event, CancelToken& call) {
  OnEvent(event);
  // A second time would cut the call and leave a turn that is not cancelled yet to run on.
  if (OutputLost() && !call.cancelled()) call.Cancel();
}

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
      EraseProgress();
      PrintText(event.delta().text());
      break;
    case v1::TurnEvent::kWillEvict:
      memory_warning_ = absl::StrCat(MemoryWarning(event.will_evict()), "\n");
      if (at_line_begin()) PrintMemory();
      break;
    case v1::TurnEvent::kEvicted:
      // The newest horizon is what counts, and a warning that waits comes too late.
      memory_mark_ = absl::StrCat(MemoryMark(event.evicted()), "\n");
      memory_warning_.clear();
      if (at_line_begin()) PrintMemory();
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
      if (shown_ != ReplyShown::kNothing) {
        WriteError(absl::StrCat(text_.empty() ? "" : "\n", "perennial: the server shuts down in ",
                                RoughDuration(FromProto(event.go_away().time_left())), "\n"));
      }
      break;
    default:  // finished, and events that this client does not know
      break;
  }
}

void ReplyPrinter::PrintText(const std::string& text) {
  const auto print = [this](absl::string_view part) {
    absl::StrAppend(&text_, part);
    if (shown_ == ReplyShown::kNothing) return;
    WriteOut(console_.out_is_terminal ? TerminalSafe(part) : std::string(part));
  };
  const bool waits = !memory_mark_.empty() || !memory_warning_.empty();
  const size_t line_end = waits ? text.find('\n') : std::string::npos;
  if (line_end == std::string::npos) {
    print(text);
    return;
  }
  print(absl::string_view(text).substr(0, line_end + 1));
  PrintMemory();
  print(absl::string_view(text).substr(line_end + 1));
}

void ReplyPrinter::PrintMemory() {
  const std::string lines = absl::StrCat(memory_mark_, memory_warning_);
  memory_mark_.clear();
  memory_warning_.clear();
  if (shown_ != ReplyShown::kTextAndMemory || lines.empty()) return;
  EraseProgress();
  WriteOut(Styled(lines, Style::kDim, console_.out_is_terminal && console_.colours));
}

void ReplyPrinter::End() {
  EraseProgress();
  if (std::exchange(loss_shown_, false) && console_.out_is_terminal && console_.moves_cursor) WriteOut("\033[J");
  if (shown_ != ReplyShown::kNothing && !text_.empty() && !absl::EndsWith(text_, "\n")) WriteOut("\n");
  PrintMemory();
}

void ReplyPrinter::OnLost(const absl::Status& cause, absl::Duration) {
  if (shown_ == ReplyShown::kNothing || std::exchange(loss_shown_, true)) return;
  EraseProgress();
  // A server that gives a reason knows better what is the matter: that it is full, or shuts down.
  const std::string notice = ErrorReason(cause).empty()
                                 ? "the connection was lost; trying to go on …"
                                 : absl::StrCat(TerminalSafe(cause.message()), "; trying again …");
  if (console_.out_is_terminal && console_.moves_cursor) {
    // Makes room for a line below (scrolling if need be), remembers the place, writes the line, returns to the place.
    WriteOut(absl::StrCat("\033D\033[A\0337\r\n",
                          Styled(absl::StrCat("── ", notice, " ──"), Style::kDim, console_.colours), "\0338"));
  } else {
    WriteError(absl::StrCat(console_.out_is_terminal && !at_line_begin() ? "\n" : "", "perennial: ", notice, "\n"));
  }
}

void ReplyPrinter::OnFound() {
  if (shown_ == ReplyShown::kNothing) return;
  ++reconnects_;
  loss_shown_ = false;
  if (console_.out_is_terminal && console_.moves_cursor) WriteOut("\033[J");
}

void ReplyPrinter::ShowProgress(const std::string& line) {
  if (shown_ == ReplyShown::kNothing || !console_.err_is_terminal || !console_.moves_cursor) return;
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
