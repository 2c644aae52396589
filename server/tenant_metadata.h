// Whose turn it is: the tenant, from a call's metadata.

#ifndef PERENNIAL_SERVER_TENANT_METADATA_H_
#define PERENNIAL_SERVER_TENANT_METADATA_H_

#include <grpcpp/support/string_ref.h>

#include <map>
#include <string>

#include "absl/status/statusor.h"

namespace perennial {

// Metadata key of the tenant. Clients name themselves: it shares the server out fairly, and protects nothing.
inline constexpr char kTenantKey[] = "x-tenant";

// The value of `x-tenant` in a call's metadata (ServerContext::client_metadata); empty if there is none. INVALID_FIELD
// if it is not 1 … 64 characters of [A-Za-z0-9_.-], or is there twice.
absl::StatusOr<std::string> TenantOf(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_TENANT_METADATA_H_
