#include "client/command/json_text.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "client/command/format.h"
#include "client/error_text.h"
#include "nlohmann/json.hpp"

namespace perennial {
namespace {

using Json = nlohmann::ordered_json;  // members in the order in which they are written here

// Labels and texts are UTF-8 (proto3); should one not be, the output still is.
std::string Dump(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

std::string Time(const google::protobuf::Timestamp& timestamp) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", FromProto(timestamp), absl::UTCTimeZone());
}

// Scalars under their names, durations as NAME_seconds, messages as objects. For messages that are only figures and
// names: a field that the API gains appears by itself.
Json Figures(const google::protobuf::Message& message) {
  using google::protobuf::FieldDescriptor;
  const google::protobuf::Descriptor& descriptor = *message.GetDescriptor();
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  Json json = Json::object();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor* field = descriptor.field(i);
    if (field->is_repeated() || (field->has_presence() && !reflection.HasField(message, field))) continue;
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        json[field->name()] = reflection.GetInt32(message, field);
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        json[field->name()] = reflection.GetInt64(message, field);
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        json[field->name()] = reflection.GetUInt32(message, field);
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        json[field->name()] = reflection.GetUInt64(message, field);
        break;
      case FieldDescriptor::CPPTYPE_FLOAT:
        json[field->name()] = reflection.GetFloat(message, field);
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        json[field->name()] = reflection.GetDouble(message, field);
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        json[field->name()] = reflection.GetBool(message, field);
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        json[field->name()] = reflection.GetString(message, field);
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        json[field->name()] = reflection.GetEnum(message, field)->name();
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        const google::protobuf::Message& part = reflection.GetMessage(message, field);
        if (const auto* duration = dynamic_cast<const google::protobuf::Duration*>(&part)) {
          json[field->name() + "_seconds"] = absl::ToDoubleSeconds(FromProto(*duration));
        } else {
          json[field->name()] = Figures(part);
        }
        break;
      }
    }
  }
  return json;
}

Json NotesObject(const v1::Notes& notes) {
  return {{"text", notes.text()},
          {"pinned_turns", std::vector<int64_t>(notes.pinned_turns().begin(), notes.pinned_turns().end())},
          {"tokens", notes.tokens()},
          {"budget_tokens", notes.budget_tokens()}};
}

Json SessionObject(const v1::Session& session) {
  Json labels = Json::object();
  for (const auto& [name, value] : session.labels()) labels[name] = value;
  return {{"session", session.session_id()},
          {"state", StateText(session.state())},
          {"turns", session.turns()},
          {"last_turn", session.last_turn()},
          {"create_time", Time(session.create_time())},
          {"last_use_time", Time(session.last_use_time())},
          {"expire_time", Time(session.expire_time())},
          {"idle_timeout_seconds", absl::ToDoubleSeconds(FromProto(session.idle_timeout()))},
          {"route", session.route()},
          {"labels", std::move(labels)},
          {"cache_bytes", session.cache_bytes()},
          {"parked", session.parked()},
          {"memory", Figures(session.memory())},
          {"notes", NotesObject(session.notes())}};
}

}  // namespace

std::string ReplyJson(absl::string_view text, absl::string_view session_id, int64_t prompt_tokens,
                      const v1::Finished& finished) {
  const v1::Usage& usage = finished.usage();
  const v1::Timing& timing = finished.timing();
  Json json = {
      {"text", std::string(text)},
      {"session", std::string(session_id)},
      {"finish_reason", std::string(absl::StripPrefix(v1::FinishReason_Name(finished.reason()), "FINISH_REASON_"))}};
  json["usage"] = {{"fed_tokens", usage.fed_tokens()},
                   {"generated_tokens", usage.generated_tokens()},
                   {"evicted_tokens", usage.evicted_tokens()}};
  json["timing"] = {
      {"queue_seconds", absl::ToDoubleSeconds(FromProto(timing.queue()))},
      {"prefill_tokens_per_second", PrefillTokensPerSecond(prompt_tokens, FromProto(timing.prefill()))},
      {"first_token_seconds", absl::ToDoubleSeconds(FromProto(timing.first_token()))},
      {"decode_tokens_per_second", DecodeTokensPerSecond(usage.generated_tokens(), FromProto(timing.decode()))}};
  return Dump(json);
}

std::string SessionJson(const v1::Session& session) { return Dump(SessionObject(session)); }

std::string SessionsJson(const std::vector<v1::Session>& sessions) {
  Json list = Json::array();
  for (const v1::Session& session : sessions) list.push_back(SessionObject(session));
  return Dump({{"sessions", std::move(list)}});
}

std::string NotesJson(const v1::Notes& notes) { return Dump(NotesObject(notes)); }

std::string TranscriptJson(const std::vector<v1::TranscriptTurn>& turns) {
  Json list = Json::array();
  for (const v1::TranscriptTurn& turn : turns) {
    Json messages = Json::array();
    for (const v1::Message& message : turn.messages()) {
      const std::string role(absl::StripPrefix(v1::Role_Name(message.role()), "ROLE_"));
      messages.push_back({{"role", absl::AsciiStrToLower(role)}, {"text", message.text()}});
    }
    list.push_back({{"turn", turn.turn()},
                    {"messages", std::move(messages)},
                    {"truncated", turn.truncated()},
                    {"forgotten", turn.forgotten()}});
  }
  return Dump({{"turns", std::move(list)}});
}

std::string StatsJson(const v1::Stats& stats) { return Dump(Figures(stats)); }

std::string ModelJson(const v1::GetModelResponse& model) { return Dump(Figures(model)); }

std::string CountJson(int64_t tokens) { return Dump({{"tokens", tokens}}); }

std::string ErrorJson(const absl::Status& status, absl::string_view server) {
  return Dump({{"error",
                {{"code", absl::StatusCodeToString(status.code())},
                 {"reason", ErrorReason(status)},
                 {"message", ErrorText(status, server)}}}});
}

}  // namespace perennial
