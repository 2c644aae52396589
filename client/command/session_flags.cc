#include "client/command/session_flags.h"

#include "absl/strings/str_cat.h"
#include "client/command/enum_words.h"
#include "client/command/format.h"
#include "client/command/turn_flags.h"

namespace perennial {
void SessionFlags::AddTo(FlagSet& flags) {
  flags.Add("system", &system, "TEXT", "system prompt: what the model is told before the first turn");
  flags.Add("cache_tokens", &cache_tokens, "N", "how many tokens the model can read at a time, sinks included");
  flags.Add("sink_tokens", &sink_tokens, "N", "how many of the first tokens are kept for ever, at least");
  flags.Add("note_tokens", &note_tokens, "N",
            "how many tokens of the cache are set aside for notes, which are never\nforgotten and can be rewritten");
  flags.Add("pinned_head", &pinned_head, "WORD",
            "what of the beginning is kept for ever: system_prompt, only its start\n"
            "(system_prompt_start) where it is too long, or sinks_only");
  flags.Add("eviction", &eviction, "WORD", "what is forgotten first: turn_wise (whole turns) or token_wise");
  flags.Add("idle_timeout", &idle_timeout, "TIME", "the session is deleted when unused for so long, e.g. 30m, 12h");
  flags.Add("label", &labels, "NAME=VALUE", "a note on the session for your own use; may be repeated");
}

bool SessionFlags::any_given() const {
  return !system.empty() || cache_tokens.has_value() || sink_tokens.has_value() || note_tokens.has_value() ||
         !eviction.empty() || !pinned_head.empty() || idle_timeout.has_value() || !labels.empty();
}

absl::StatusOr<v1::SessionConfig> SessionFlags::Config() const {
  v1::SessionConfig config;
  if (!system.empty()) {
    if (absl::Status status = CheckUtf8("--system", system); !status.ok()) return status;
    v1::Message* message = config.add_history();
    message->set_role(v1::ROLE_SYSTEM);
    message->set_text(system);
  }
  if (cache_tokens.has_value()) config.set_cache_tokens(*cache_tokens);
  if (sink_tokens.has_value()) config.set_sink_tokens(*sink_tokens);
  if (note_tokens.has_value()) config.set_note_tokens(*note_tokens);
  v1::EvictionPolicy policy = v1::EVICTION_POLICY_UNSPECIFIED;
  v1::PinnedHead head = v1::PINNED_HEAD_UNSPECIFIED;
  for (const absl::Status& status :
       {ParseEnumFlag("eviction", eviction, policy), ParseEnumFlag("pinned_head", pinned_head, head)}) {
    if (!status.ok()) return status;
  }
  config.set_eviction(policy);
  config.set_pinned_head(head);
  if (idle_timeout.has_value()) {
    // The API's durations end at ten thousand years; the server's limit is far below.
    if (*idle_timeout <= absl::ZeroDuration() || *idle_timeout > absl::Hours(24 * 3650)) {
      return absl::InvalidArgumentError(absl::StrCat("--idle_timeout='", absl::FormatDuration(*idle_timeout),
                                                     "' is not a time above 0, such as 30m"));
    }
    *config.mutable_idle_timeout() = ToProto(*idle_timeout);
  }
  for (const std::string& label : labels) {
    const size_t equals = label.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(absl::StrCat("--label='", label, "' is not NAME=VALUE"));
    }
    if (absl::Status status = CheckUtf8("--label", label); !status.ok()) return status;
    (*config.mutable_labels())[label.substr(0, equals)] = label.substr(equals + 1);
  }
  return config;
}

}  // namespace perennial
