#include "server/attach_reactor.h"

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "server/turn_request.h"

namespace perennial {

grpc::ServerWriteReactor<v1::AttachResponse>* AttachReactor::Start(const ServiceParts* parts,
                                                                   grpc::CallbackServerContext* context,
                                                                   const v1::AttachRequest& request) {
  const std::shared_ptr<AttachReactor> reactor(new AttachReactor(parts, context));
  Own(reactor);
  absl::StatusOr<AttachSpec> spec = CheckAttach(request);
  if (!spec.ok()) {
    reactor->EndWith(spec.status());
    return reactor.get();
  }
  reactor->set_session_id(spec->turn.session_id);
  reactor->Follow([&](TurnSink* sink) { return parts->engine->Attach(*std::move(spec), sink); });
  return reactor.get();
}

}  // namespace perennial
