// The name that a client gives a request, so that it can send it again without having it done twice.

#ifndef PERENNIAL_SERVER_ENGINE_REQUEST_TAG_H_
#define PERENNIAL_SERVER_ENGINE_REQUEST_TAG_H_

#include <string>

#include "absl/numeric/int128.h"

namespace perennial {

struct RequestTag {
  std::string id;                 // the client's; empty: the request is not to be recognised
  absl::uint128 fingerprint = 0;  // of what is asked for: tells a retry from another request with the same id

  bool empty() const { return id.empty(); }
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_ENGINE_REQUEST_TAG_H_
