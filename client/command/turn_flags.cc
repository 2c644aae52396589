#include "client/command/turn_flags.h"

#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "client/command/utf8.h"

namespace perennial {

absl::Status CheckUtf8(absl::string_view name, absl::string_view text) {
  const std::optional<size_t> offset = FindInvalidUtf8(text);
  if (!offset.has_value()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("%s is not UTF-8: byte %d is 0x%02x", name, *offset, static_cast<unsigned char>(text[*offset])));
}

namespace {

absl::Status AddTokens(const TurnFlags& flags, v1::Sampling& sampling) {
  for (const std::string& text : flags.logit_bias) {
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
    int32_t token = 0;
    float bias = 0;
    if (!absl::SimpleAtoi(parts.first, &token) || !absl::SimpleAtof(parts.second, &bias)) {
      return absl::InvalidArgumentError(absl::StrCat("--logit_bias='", text, "' is not TOKEN=X, such as 17=-2.5"));
    }
    (*sampling.mutable_logit_bias())[token] = bias;
  }
  for (const std::string& text : flags.stop_tokens) {
    int32_t token = 0;
    if (!absl::SimpleAtoi(text, &token)) {
      return absl::InvalidArgumentError(absl::StrCat("--stop_token='", text, "' is not a token's number"));
    }
    sampling.add_stop_tokens(token);
  }
  return absl::OkStatus();
}

absl::Status AddSchema(const std::string& schema, v1::Sampling& sampling) {
  std::string text = schema;
  if (absl::StartsWith(schema, "@")) {
    std::ifstream file(schema.substr(1), std::ios::binary);
    text.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    if (!file) return absl::InvalidArgumentError(absl::StrCat("--json_schema: cannot read ", schema.substr(1)));
  }
  if (absl::Status status = CheckUtf8("--json_schema", text); !status.ok()) return status;
  sampling.set_json_schema(std::move(text));
  return absl::OkStatus();
}

}  // namespace

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
  flags.Add("typical_p", &typical_p, "X", "only the most typical tokens that have this probability together; 1: all");
  flags.Add("presence_penalty", &presence_penalty, "X", "taken from the logit of every recent token, -2 to 2");
  flags.Add("frequency_penalty", &frequency_penalty, "X", "taken from it once per recent occurrence, -2 to 2");
  flags.Add("dry_multiplier", &dry_multiplier, "X", "against repeated sequences: 0.8 is usual; 0: off");
  flags.Add("dry_base", &dry_base, "X", "how steeply that grows with the sequence's length");
  flags.Add("dry_allowed_length", &dry_allowed_length, "N", "how many tokens may repeat freely");
  flags.Add("logit_bias", &logit_bias, "TOKEN=X", "add X to a token's logit; -100: never; may be repeated");
  flags.Add("stop_token", &stop_tokens, "TOKEN", "end the reply at this token; may be repeated");
  flags.Add("min_tokens", &min_tokens, "N", "the reply does not end by itself before so many tokens");
  flags.Add("json_schema", &json_schema, "JSON", "the reply is JSON that satisfies this JSON Schema; @FILE reads it");
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
  if (typical_p.has_value()) sampling->set_typical_p(*typical_p);
  if (presence_penalty.has_value()) sampling->set_presence_penalty(*presence_penalty);
  if (frequency_penalty.has_value()) sampling->set_frequency_penalty(*frequency_penalty);
  if (dry_multiplier.has_value()) sampling->mutable_dry()->set_multiplier(*dry_multiplier);
  if (dry_base.has_value()) sampling->mutable_dry()->set_base(*dry_base);
  if (dry_allowed_length.has_value()) sampling->mutable_dry()->set_allowed_length(*dry_allowed_length);
  sampling->set_min_tokens(min_tokens);
  if (absl::Status status = AddTokens(*this, *sampling); !status.ok()) return status;
  if (absl::Status status = AddSchema(json_schema, *sampling); !status.ok()) return status;
  return request;
}

}  // namespace perennial
