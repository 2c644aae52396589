#include "client/error_text.h"

#include <grpcpp/support/status.h>

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace perennial {
namespace {

constexpr absl::string_view kTypePrefix = "type.googleapis.com/";
constexpr absl::string_view kDomain = "perennial";

std::string OneLine(absl::string_view text) { return absl::StrReplaceAll(text, {{"\n", " "}}); }

// The detail of type T that the status carries.
template <typename T>
std::optional<T> Detail(const absl::Status& status) {
  const auto payload = status.GetPayload(absl::StrCat(kTypePrefix, T::descriptor()->full_name()));
  T detail;
  if (!payload.has_value() || !detail.ParseFromString(std::string(*payload))) return std::nullopt;
  return detail;
}

// "field: description" for each violation. Perennial's descriptions begin with the field already.
std::string ViolationsText(const google::rpc::BadRequest& bad_request) {
  std::vector<std::string> lines;
  for (const auto& violation : bad_request.field_violations()) {
    if (violation.field().empty() || absl::StartsWith(violation.description(), violation.field())) {
      lines.push_back(violation.description());
    } else {
      lines.push_back(absl::StrCat(violation.field(), ": ", violation.description()));
    }
  }
  return absl::StrJoin(lines, "; ");
}

// What gRPC itself reports when there is no connection or no service behind it. Its texts differ between versions; only
// how nice our words are depends on them.
std::string UnreachableText(const absl::Status& status, absl::string_view server) {
  const std::string message = absl::AsciiStrToLower(status.message());
  const auto says = [&](absl::string_view words) { return absl::StrContains(message, words); };
  // "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:80: the cause"
  const size_t cause_begin = status.message().rfind(": ");
  const std::string cause =
      OneLine(cause_begin == absl::string_view::npos ? status.message() : status.message().substr(cause_begin + 2));
  if (status.code() == absl::StatusCode::kUnimplemented) {
    return absl::StrCat("what answers at ", server, " is not a Perennial server; check --server (", cause, ")");
  }
  if (says("refused") || says("no such file")) {
    return absl::StrCat("no server at ", server, "; start one with ./dev serve");
  }
  if (says("resolution") || says("resolve")) return absl::StrCat("the name in --server=", server, " is unknown");
  if (says("http") || says("settings frame")) {
    return absl::StrCat("what answers at ", server, " is not a Perennial server; check --server (", cause, ")");
  }
  if (says("failed to connect") && (says("reset") || says("closed"))) {
    return absl::StrCat("what answers at ", server,
                        " drops the connection: a proxy whose server is away, or no Perennial ",
                        "server; check --server (", cause, ")");
  }
  if (says("failed to connect")) return absl::StrCat("no server can be reached at ", server, " (", cause, ")");
  return absl::StrCat("the connection to the server at ", server, " was lost (", cause, ")");
}

// What a person can do about it, where the server's own words do not say.
absl::string_view Advice(absl::string_view reason) {
  if (reason == "STALE_TURN") return "another client used the session in the meantime: look at it, then send again";
  if (reason == "REQUEST_ID_REUSED") return "a request id stands for one request: give a new one";
  if (reason == "BEYOND_HORIZON") return "what has left the window cannot be brought back";
  if (reason == "BEYOND_REPLAY") return "the missed part of the reply is in the session, but can no longer be shown";
  if (reason == "SLOW_READER") return "the output was not read fast enough; the session is still usable";
  return "";
}

}  // namespace

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status details;
  if (details.ParseFromString(status.error_details())) {
    for (const auto& detail : details.details()) result.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  return result;
}

std::string ErrorReason(const absl::Status& status) {
  const auto error = Detail<google::rpc::ErrorInfo>(status);
  return error.has_value() && error->domain() == kDomain ? error->reason() : "";
}

std::optional<absl::Duration> RetryDelay(const absl::Status& status) {
  const auto retry = Detail<google::rpc::RetryInfo>(status);
  if (!retry.has_value() || !retry->has_retry_delay()) return std::nullopt;
  return absl::Seconds(retry->retry_delay().seconds()) + absl::Nanoseconds(retry->retry_delay().nanos());
}

ErrorClass ClassifyError(const absl::Status& status) {
  const bool from_perennial = !ErrorReason(status).empty();
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ErrorClass::kNone;
    case absl::StatusCode::kCancelled:
      return ErrorClass::kCancelled;
    case absl::StatusCode::kUnavailable:
      return ErrorClass::kUnreachable;
    case absl::StatusCode::kUnimplemented:
      return from_perennial ? ErrorClass::kServerError : ErrorClass::kUnreachable;
    case absl::StatusCode::kNotFound:
      return from_perennial ? ErrorClass::kSessionUnknown : ErrorClass::kServerError;
    default:
      return ErrorClass::kServerError;
  }
}

std::string ErrorText(const absl::Status& status, absl::string_view server) {
  if (status.ok()) return "";
  const std::string reason = ErrorReason(status);
  if (reason.empty() && ClassifyError(status) == ErrorClass::kUnreachable) return UnreachableText(status, server);
  if (reason.empty() && status.code() == absl::StatusCode::kDeadlineExceeded) {
    return absl::StrCat("the server at ", server, " did not answer in time");
  }
  if (status.code() == absl::StatusCode::kCancelled) return "interrupted";

  const auto bad_request = Detail<google::rpc::BadRequest>(status);
  std::string text = bad_request.has_value() ? ViolationsText(*bad_request) : "";
  if (text.empty()) text = std::string(status.message());
  if (text.empty()) text = absl::StatusCodeToString(status.code());
  text = OneLine(text);
  if (const absl::string_view advice = Advice(reason); !advice.empty()) absl::StrAppend(&text, "; ", advice);
  if (const auto delay = RetryDelay(status)) absl::StrAppend(&text, "; try again in ", absl::FormatDuration(*delay));
  if (!reason.empty()) absl::StrAppend(&text, " [", reason, "]");
  return text;
}

}  // namespace perennial
