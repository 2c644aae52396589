#include "client/command/session_text.h"

#include <google/protobuf/generated_enum_reflection.h>

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/command/enum_words.h"
#include "client/command/format.h"
#include "client/command/utf8.h"

namespace perennial {
namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

// "3m" since or until `time`.
std::string Since(absl::Time time, absl::Time now) { return RoughDuration(now - time); }
std::string Until(absl::Time time, absl::Time now) { return RoughDuration(time - now); }

// "37 of 100".
std::string Of(int64_t part, int64_t whole) { return absl::StrCat(CountText(part), " of ", CountText(whole)); }

std::string Ratio(double dividend, double divisor, const char* format) {
  return divisor > 0 ? absl::StrFormat(*absl::ParsedFormat<'f'>::New(format), dividend / divisor) : "–";
}

std::string SamplingText(const v1::Sampling& sampling) {
  std::vector<std::string> parts;
  const auto add = [&](const char* name, bool given, double value) {
    if (given) parts.push_back(absl::StrFormat("%s %g", name, value));
  };
  add("temperature", sampling.has_temperature(), sampling.temperature());
  add("top_k", sampling.has_top_k(), sampling.top_k());
  add("top_p", sampling.has_top_p(), sampling.top_p());
  add("min_p", sampling.has_min_p(), sampling.min_p());
  add("repetition_penalty", sampling.has_repetition_penalty(), sampling.repetition_penalty());
  add("repetition_window", sampling.has_repetition_window(), sampling.repetition_window());
  return parts.empty() ? "–" : absl::StrJoin(parts, ", ");
}

// A value that this client does not know yet is its number.
template <typename Enum>
std::string WordOf(Enum value) {
  const auto* const known = google::protobuf::GetEnumDescriptor<Enum>()->FindValueByNumber(value);
  return known == nullptr ? absl::StrCat(static_cast<int>(value)) : EnumWord(*known);
}

}  // namespace

std::string SessionTable(const std::vector<v1::Session>& sessions, absl::Time now) {
  std::vector<std::vector<std::string>> rows = {
      {"SESSION", "STATE", "TURNS", "SEEN", "CACHED", "FORGOTTEN", "IDLE", "EXPIRES IN"}};
  for (const v1::Session& session : sessions) {
    const v1::SessionMemory& memory = session.memory();
    const bool idle = session.state() == v1::SESSION_STATE_IDLE;
    rows.push_back({TerminalSafe(session.session_id()), StateText(session.state()), CountText(session.turns()),
                    CountText(memory.stream_tokens()), CountText(memory.visible_tokens()),
                    CountText(memory.forgotten_tokens()), idle ? Since(FromProto(session.last_use_time()), now) : "–",
                    idle ? Until(FromProto(session.expire_time()), now) : "–"});
  }
  return Table(rows, {false, false, true, true, true, true, true, true});
}

std::string SessionFields(const v1::Session& session, absl::Time now) {
  const v1::SessionMemory& memory = session.memory();
  Lines lines = {
      {"session", TerminalSafe(session.session_id())},
      {"state", StateText(session.state())},
      {"turns", absl::StrCat(CountText(session.turns()),
                             session.last_turn() > session.turns()
                                 ? absl::StrCat(" (the newest is turn ", CountText(session.last_turn()), ")")
                                 : "")},
      {"seen", CountText(memory.stream_tokens(), "token", "tokens")},
      {"cached",
       absl::StrCat(CountText(memory.visible_tokens(), "token", "tokens"), ", at most ",
                    CountText(memory.sink_tokens(), "sink", "sinks"), " + ", CountText(memory.window_tokens()),
                    " in the window (", BytesText(session.cache_bytes()), ")")},
      {"forgotten", CountText(memory.forgotten_tokens(), "token", "tokens")},
      {"remembers", memory.forgotten_tokens() == 0
                        ? std::string("everything")
                        : absl::StrCat("from within ", TurnsText(memory.horizon_turn(), memory.horizon_turn()),
                                       " (token ", CountText(memory.horizon_token()), ") on")},
      {"notes", session.notes().budget_tokens() == 0
                    ? std::string("–")
                    : absl::StrCat(Of(session.notes().tokens(), session.notes().budget_tokens()), " tokens")},
      {"kept", session.parked() ? "parked: the next turn brings its cache back" : "ready"},
      {"created", absl::StrCat(Since(FromProto(session.create_time()), now), " ago")},
      {"last used", absl::StrCat(Since(FromProto(session.last_use_time()), now), " ago")},
      {"expires", absl::StrCat("in ", Until(FromProto(session.expire_time()), now), ", when idle for ",
                               RoughDuration(FromProto(session.idle_timeout())))},
      {"route", TerminalSafe(session.route())}};
  // Sorted: a protobuf map has no order.
  for (const auto& [name, value] :
       std::map<std::string, std::string>(session.labels().begin(), session.labels().end())) {
    lines.emplace_back("label", TerminalSafe(absl::StrCat(name, "=", value)));
  }
  return Fields(lines);
}

std::string StatsText(const v1::Stats& stats) {
  const absl::Duration step_time = FromProto(stats.step_time());
  const double steps = static_cast<double>(stats.steps());
  const Lines sessions = {
      {"now", Of(stats.sessions(), stats.max_sessions())},
      {"cache memory", absl::StrCat(BytesText(stats.cache_bytes()), " of ", BytesText(stats.cache_memory_bytes()))},
      {"created", CountText(stats.sessions_created())},
      {"forked", CountText(stats.sessions_forked())},
      {"rewound", CountText(stats.sessions_rewound())},
      {"expired", CountText(stats.sessions_expired())},
      {"deleted", CountText(stats.sessions_deleted())},
      {"failed", CountText(stats.sessions_failed())}};
  const Lines turns = {
      {"waiting", Of(stats.waiting_turns(), stats.max_waiting_turns())},
      {"running", CountText(stats.running_turns())},
      {"paused", absl::StrCat(CountText(stats.paused_turns()), " (their clients do not read)")},
      {"started", CountText(stats.turns_started())},
      {"finished", CountText(stats.turns_finished())},
      {"cancelled", CountText(stats.turns_cancelled())},
      {"failed", CountText(stats.turns_failed())},
      {"rejected", CountText(stats.turns_rejected())},
      {"detached", absl::StrCat(CountText(stats.detached_turns()), " (nobody reads them)")},
      {"kept", absl::StrCat(CountText(stats.kept_turns()), " for replay, ", BytesText(stats.replay_bytes()), ", ",
                            CountText(stats.request_ids(), "request id", "request ids"))}};
  const Lines parking = {
      {"now", CountText(stats.parked_sessions())},
      {"memory", absl::StrCat(BytesText(stats.parked_bytes()), " of ", BytesText(stats.parked_memory_bytes()))},
      {"parked", CountText(stats.sessions_parked())},
      {"resumed", CountText(stats.sessions_resumed())},
      {"copied", BytesText(stats.copied_bytes())}};
  const Lines tokens = {{"read", absl::StrCat(CountText(stats.prefill_tokens()), " (prompts)")},
                        {"written", absl::StrCat(CountText(stats.generated_tokens()), " (replies)")},
                        {"forgotten", CountText(stats.evicted_tokens())},
                        {"noted", CountText(stats.note_tokens())}};
  const Lines step_lines = {
      {"number", CountText(stats.steps())},
      {"tokens each", Ratio(static_cast<double>(stats.step_tokens()), steps, "%.1f")},
      {"sessions each", Ratio(static_cast<double>(stats.step_sessions()), steps, "%.1f")},
      {"time each", stats.steps() > 0 ? FineDuration(step_time / stats.steps()) : "–"},
      {"last, longest", absl::StrCat(FineDuration(FromProto(stats.last_step_time())), ", ",
                                     FineDuration(FromProto(stats.max_step_time())))},
      {"tokens/s", Ratio(static_cast<double>(stats.step_tokens()), absl::ToDoubleSeconds(step_time), "%.1f")}};
  return absl::StrCat("Server: up for ", RoughDuration(FromProto(stats.uptime())),
                      stats.draining() ? ", shutting down" : "", "\nSessions\n", Fields(sessions), "Parked\n",
                      Fields(parking), "Turns\n", Fields(turns), "Tokens\n", Fields(tokens), "Steps\n",
                      Fields(step_lines));
}

std::string ModelText(const v1::GetModelResponse& model) {
  const v1::Defaults& defaults = model.defaults();
  const v1::Limits& limits = model.limits();
  const auto bytes = [](int64_t count) { return BytesText(count); };
  const Lines about = {
      {"model", TerminalSafe(model.model())},
      {"architecture", TerminalSafe(model.architecture())},
      {"runner", TerminalSafe(model.runner())},
      {"vocabulary", CountText(model.vocab_size(), "token", "tokens")},
      {"trained for", CountText(model.trained_tokens(), "token", "tokens")},
      {"server", absl::StrCat(TerminalSafe(model.server_version()), " (API revision ", model.api_revision(), ")")}};
  const Lines default_lines = {{"sampling", SamplingText(defaults.sampling())},
                               {"max_tokens", CountText(defaults.max_tokens())},
                               {"cache_tokens", CountText(defaults.cache_tokens())},
                               {"sink_tokens", CountText(defaults.sink_tokens())},
                               {"idle_timeout", RoughDuration(FromProto(defaults.idle_timeout()))},
                               {"eviction", WordOf(defaults.eviction())},
                               {"pinned_head", WordOf(defaults.pinned_head())},
                               {"on_repetition", WordOf(defaults.on_repetition())}};
  const Lines limit_lines = {
      {"cache memory",
       absl::StrCat(bytes(limits.cache_memory_bytes()), ": ", CountText(limits.default_size_sessions()),
                    " sessions of default size, ", bytes(limits.cache_bytes_per_token()), " per token")},
      {"max_cache_tokens", CountText(limits.max_cache_tokens())},
      {"max_sessions", CountText(limits.max_sessions())},
      {"max_waiting_turns", CountText(limits.max_waiting_turns())},
      {"max_turns_per_session", CountText(limits.max_turns_per_session())},
      {"max_running_turns", CountText(limits.max_running_turns())},
      {"max_step_tokens", CountText(limits.max_step_tokens())},
      {"prefill_chunk_tokens", CountText(limits.prefill_chunk_tokens())},
      {"max_text_bytes", bytes(limits.max_text_bytes())},
      {"max_opening_tokens", CountText(limits.max_opening_tokens())},
      {"max_prompt_tokens", CountText(limits.max_prompt_tokens())},
      {"max_generated_tokens", CountText(limits.max_generated_tokens())},
      {"max_stop_strings", CountText(limits.max_stop_strings())},
      {"max_stop_string_bytes", bytes(limits.max_stop_string_bytes())},
      {"max_page_size", CountText(limits.max_page_size())},
      {"max_labels", CountText(limits.max_labels())},
      {"max_label_bytes", bytes(limits.max_label_bytes())},
      {"max_idle_timeout", RoughDuration(FromProto(limits.max_idle_timeout()))},
      {"heartbeat_interval", RoughDuration(FromProto(limits.heartbeat_interval()))},
      {"slow_reader_timeout", RoughDuration(FromProto(limits.slow_reader_timeout()))},
      {"max_unread_bytes", bytes(limits.max_unread_bytes())},
      {"max_pinned_tokens", CountText(limits.max_pinned_tokens())},
      {"min_window_tokens", CountText(limits.min_window_tokens())},
      {"max_note_tokens", CountText(limits.max_note_tokens())},
      {"evict_notice_tokens", CountText(limits.evict_notice_tokens())},
      {"detach_timeout", RoughDuration(FromProto(limits.detach_timeout()))},
      {"request_id_ttl", RoughDuration(FromProto(limits.request_id_ttl()))},
      {"max_request_ids", CountText(limits.max_request_ids())},
      {"replay_bytes", bytes(limits.replay_bytes())},
      {"max_readers_per_turn", CountText(limits.max_readers_per_turn())},
      {"max_turn_time", limits.max_turn_time().seconds() == 0 && limits.max_turn_time().nanos() == 0
                            ? "none"
                            : RoughDuration(FromProto(limits.max_turn_time()))},
      {"max_session_tokens", limits.max_session_tokens() == 0 ? "none" : CountText(limits.max_session_tokens())},
      {"parked_memory", bytes(limits.parked_memory_bytes())},
      {"copy_bytes_per_step", bytes(limits.copy_bytes_per_step())},
      {"transcript_turns", CountText(limits.transcript_turns())},
      {"transcript_bytes", bytes(limits.transcript_bytes())},
      {"max_stop_tokens", CountText(limits.max_stop_tokens())},
      {"max_logit_biases", CountText(limits.max_logit_biases())},
      {"max_top_logprobs", CountText(limits.max_top_logprobs())},
      {"max_json_schema_bytes", bytes(limits.max_json_schema_bytes())},
      {"max_tenants", CountText(limits.max_tenants())}};
  return absl::StrCat("Model\n", Fields(about), "Defaults\n", Fields(default_lines), "Limits\n", Fields(limit_lines));
}

}  // namespace perennial
