#include "client/command/turn_flags.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/command/utf8.h"

namespace perennial {

absl::Status CheckUtf8(absl::string_view name, absl::string_view text) {
  const std::optional<size_t> offset = FindInvalidUtf8(text);
  if (!offset.has_value()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("%s is not UTF-8: byte %d is 0x%02x", name, *offset, static_cast<unsigned char>(text[*offset])));
}

void TurnFlags::AddTo(FlagSet& flags) {
  flags.Add("max_tokens", &max_tokens, "N", "length of a reply at most; 0 with --ignore_end_of_turn: without end");
  flags.AddSwitch("ignore_end_of_turn", &ignore_end_of_turn, "the model cannot end its reply by itself");
  flags.Add("stop", &stop, "TEXT", "end the reply before this text; may be repeated");
  flags.Add("temperature", &temperature, "X", "0: always the most likely token; higher: more varied");
  flags.Add("top_k", &top_k, "N", "only the N most likely tokens; 0: all");
  flags.Add("top_p", &top_p, "X", "only the most likely tokens that have this probability together; 1: all");
  flags.Add("min_p", &min_p, "X", "only tokens with this fraction of the highest probability; 0: all");
  flags.Add("repetition_penalty", &repetition_penalty, "X", "above 1: recent tokens become less likely");
  flags.Add("repetition_window", &repetition_window, "N", "how many tokens count as recent");
  flags.Add("seed", &seed, "N", "the same seed and stream give the same tokens; default: random");
}

absl::StatusOr<v1::ChatRequest> TurnFlags::Request() const {
  v1::ChatRequest request;
  if (max_tokens.has_value()) request.set_max_tokens(*max_tokens);
  request.set_ignore_end_of_turn(ignore_end_of_turn);
  for (const std::string& text : stop) {
    if (absl::Status status = CheckUtf8("--stop", text); !status.ok()) return status;
    request.add_stop(text);
  }
  v1::Sampling* sampling = request.mutable_sampling();
  if (temperature.has_value()) sampling->set_temperature(*temperature);
  if (top_k.has_value()) sampling->set_top_k(*top_k);
  if (top_p.has_value()) sampling->set_top_p(*top_p);
  if (min_p.has_value()) sampling->set_min_p(*min_p);
  if (repetition_penalty.has_value()) sampling->set_repetition_penalty(*repetition_penalty);
  if (repetition_window.has_value()) sampling->set_repetition_window(*repetition_window);
  if (seed.has_value()) sampling->set_seed(*seed);
  return request;
}

}  // namespace perennial
