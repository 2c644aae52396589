#include "client/command/chat_turns.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/command/format.h"
#include "client/error_text.h"

namespace perennial {

absl::StatusOr<v1::Finished> ChatTurns::Show(ReplyPrinter& printer, Call call) {
  interrupt_.Clear();
  CancelToken cancel;
  absl::StatusOr<v1::Finished> finished;
  {
    const OnInterrupt on_interrupt(interrupt_, [&cancel] { cancel.Cancel(); });
    finished = call(printer, cancel);
  }
  printer.End();
  if (!finished.ok()) return finished;
  if (finished->memory().forgotten_tokens() > 0 && !std::exchange(told_forgetting_, true)) {
    screen_.Warn(ForgettingNotice(printer.evicted(), finished->memory()));
  }
  screen_.Status(StatusLine(*finished, printer.reconnects()));
  return finished;
}

absl::Status ChatTurns::Say(v1::ChatRequest request, const std::string& message) {
  request.set_session_id(session_.id());
  request.set_message(message);
  request.set_expected_turn(session_.last_turn());
  ReplyPrinter printer(screen_.console(), screen_.interactive() ? ReplyShown::kTextAndMemory : ReplyShown::kText);
  const auto finished = Show(printer, [&](ReplyPrinter& shown, CancelToken& cancel) {
    return client_.Chat(
        std::move(request), [&](const v1::TurnEvent& event) { shown.OnEvent(event, cancel); }, &cancel, &shown);
  });
  const bool stopped = finished.ok() && finished->reason() == v1::FINISH_REASON_CANCELLED;
  session_.NoteTurn(printer.turn(), finished.ok() && !(stopped && finished->usage().generated_tokens() == 0));
  if (!finished.ok() && ClassifyError(finished.status()) != ErrorClass::kUnreachable) (void)session_.Refresh();
  if (stopped && !screen_.interactive()) return absl::CancelledError("the reply was stopped");
  return finished.status();
}

absl::Status ChatTurns::Follow(int64_t turn) {
  v1::AttachRequest request;
  request.set_session_id(session_.id());
  request.set_turn(turn);
  request.set_from_oldest(true);
  ReplyPrinter printer(screen_.console(), screen_.interactive() ? ReplyShown::kTextAndMemory : ReplyShown::kText);
  const auto finished = Show(printer, [&](ReplyPrinter& shown, CancelToken& cancel) {
    return client_.Attach(
        request,
        [&](const v1::TurnEvent& event) {
          if (event.has_state()) {
            screen_.Notice(absl::StrCat(
                "── turn ", CountText(turn),
                event.state().phase() == v1::TURN_PHASE_ENDED ? "" : ", which still runs (Ctrl-C leaves it)",
                event.state().oldest_sequence() > 1 ? "; its beginning is no longer kept" : "", " ──"));
          }
          shown.OnEvent(event, cancel);
        },
        &cancel, &shown);
  });
  if (ClassifyError(finished.status()) == ErrorClass::kCancelled) {
    screen_.Notice(absl::StrCat("Left; turn ", CountText(turn), " goes on. /attach shows it again, /cancel ends it."));
    return absl::OkStatus();
  }
  if (finished.ok()) (void)session_.Refresh();
  return finished.status();
}

}  // namespace perennial
