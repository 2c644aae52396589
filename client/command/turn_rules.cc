#include "client/command/turn_rules.h"

#include "absl/strings/str_cat.h"
#include "client/command/enum_words.h"
#include "client/command/format.h"

namespace perennial {

void TurnRules::AddTo(FlagSet& flags) {
  flags.Add("max_time", &max_time, "TIME", "end the reply when the turn has run for so long, e.g. 30s");
  flags.Add("on_repetition", &on_repetition, "WORD",
            "a reply that repeats itself without end: ignore, report or finish it");
  flags.Add("long_message", &long_message, "WORD",
            "a message longer than the model can read at a time: accept (its beginning is\nforgotten) or refuse");
  flags.Add("if_busy", &if_busy, "WORD", "another turn of the session runs: wait, reject or interrupt it");
  flags.Add("priority", &priority, "WORD", "batch: interactive turns go first");
}

absl::Status TurnRules::ApplyTo(v1::ChatRequest& request) const {
  if (max_time.has_value()) {
    // The API's durations end at ten thousand years; the server's limit is far below.
    if (*max_time <= absl::ZeroDuration() || *max_time > absl::Hours(24 * 3650)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--max_time='", absl::FormatDuration(*max_time), "' is not a time above 0, such as 30s"));
    }
    *request.mutable_max_time() = ToProto(*max_time);
  }
  v1::OnRepetition repetition = request.on_repetition();
  v1::LongMessage message = request.long_message();
  v1::Priority urgency = request.priority();
  v1::IfBusy busy = request.if_busy();
  for (const absl::Status& status :
       {ParseEnumFlag("on_repetition", on_repetition, repetition), ParseEnumFlag("long_message", long_message, message),
        ParseEnumFlag("priority", priority, urgency), ParseEnumFlag("if_busy", if_busy, busy)}) {
    if (!status.ok()) return status;
  }
  request.set_on_repetition(repetition);
  request.set_long_message(message);
  request.set_priority(urgency);
  request.set_if_busy(busy);
  return absl::OkStatus();
}

}  // namespace perennial
