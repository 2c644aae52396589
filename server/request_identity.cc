#include "server/request_identity.h"

#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "server/request_rules.h"

namespace perennial {
namespace {

constexpr const char* kNotOfTheWork[] = {"request_id", "if_busy", "on_disconnect", "expected_turn", "priority"};

// The same message gives the same bytes: maps in the order of their keys.
std::string Serialize(const google::protobuf::Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream output(&stream);
  output.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&output);
  output.Trim();
  return bytes;
}

}  // namespace

absl::Status CheckRequestId(absl::string_view request_id) {
  if (request_id.size() > kMaxRequestIdBytes) {
    return FieldError("request_id", absl::StrCat(request_id.size(), " characters are more than ", kMaxRequestIdBytes));
  }
  for (const char c : request_id) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) {
      return FieldError("request_id", "has a character that is not printable ASCII");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<RequestTag> TagOf(const std::string& request_id, const google::protobuf::Message& request) {
  if (absl::Status status = CheckRequestId(request_id); !status.ok()) return status;
  if (request_id.empty()) return RequestTag();
  const std::unique_ptr<google::protobuf::Message> work(request.New());
  work->CopyFrom(request);
  for (const char* name : kNotOfTheWork) {
    const google::protobuf::FieldDescriptor* field = work->GetDescriptor()->FindFieldByName(name);
    if (field != nullptr) work->GetReflection()->ClearField(work.get(), field);
  }
  return RequestTag{request_id, Fingerprint(absl::StrCat(request.GetTypeName(), " ", Serialize(*work)))};
}

absl::uint128 Fingerprint(absl::string_view bytes) {
  constexpr absl::uint128 kPrime = absl::MakeUint128(0x0000000001000000, 0x000000000000013b);
  absl::uint128 hash = absl::MakeUint128(0x6c62272e07bb0142, 0x62b821756295c58d);
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * kPrime;
  return hash;
}

}  // namespace perennial
