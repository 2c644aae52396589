// perennial.v1.ChatService on top of the engine: gRPC's callback API, no thread of its own.

#ifndef PERENNIAL_SERVER_CHAT_SERVICE_H_
#define PERENNIAL_SERVER_CHAT_SERVICE_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "perennial/v1/chat_service.grpc.pb.h"
#include "server/service_parts.h"

namespace perennial {

// Counts up with every change of the API.
inline constexpr int32_t kApiRevision = 1;

// Thread-safe. What each method does and which errors it gives is said in proto/perennial/v1/chat_service.proto.
//
// A unary method checks its request on gRPC's thread, hands it to the engine and returns gRPC's own reactor at once;
// the engine's callback fills in the response and finishes the reactor. Request and response live until then. A client
// that leaves before is simply not there any more when the answer comes. Chat is ChatReactor's, Attach AttachReactor's,
// AppendMessages AppendCall's.
class ChatService final : public v1::ChatService::CallbackService {
 public:
  explicit ChatService(ServiceParts parts) : parts_(std::move(parts)) {}

  grpc::ServerUnaryReactor* CreateSession(grpc::CallbackServerContext* context, const v1::CreateSessionRequest* request,
                                          v1::CreateSessionResponse* response) override;
  grpc::ServerUnaryReactor* GetSession(grpc::CallbackServerContext* context, const v1::GetSessionRequest* request,
                                       v1::GetSessionResponse* response) override;
  grpc::ServerUnaryReactor* ListSessions(grpc::CallbackServerContext* context, const v1::ListSessionsRequest* request,
                                         v1::ListSessionsResponse* response) override;
  grpc::ServerUnaryReactor* UpdateSession(grpc::CallbackServerContext* context, const v1::UpdateSessionRequest* request,
                                          v1::UpdateSessionResponse* response) override;
  grpc::ServerUnaryReactor* DeleteSession(grpc::CallbackServerContext* context, const v1::DeleteSessionRequest* request,
                                          v1::DeleteSessionResponse* response) override;
  grpc::ServerUnaryReactor* ForkSession(grpc::CallbackServerContext* context, const v1::ForkSessionRequest* request,
                                        v1::ForkSessionResponse* response) override;
  grpc::ServerUnaryReactor* RewindSession(grpc::CallbackServerContext* context, const v1::RewindSessionRequest* request,
                                          v1::RewindSessionResponse* response) override;
  grpc::ServerUnaryReactor* GetTranscript(grpc::CallbackServerContext* context, const v1::GetTranscriptRequest* request,
                                          v1::GetTranscriptResponse* response) override;
  grpc::ServerWriteReactor<v1::ChatResponse>* Chat(grpc::CallbackServerContext* context,
                                                   const v1::ChatRequest* request) override;
  grpc::ServerWriteReactor<v1::AttachResponse>* Attach(grpc::CallbackServerContext* context,
                                                       const v1::AttachRequest* request) override;
  grpc::ServerUnaryReactor* CancelTurn(grpc::CallbackServerContext* context, const v1::CancelTurnRequest* request,
                                       v1::CancelTurnResponse* response) override;
  grpc::ServerUnaryReactor* AppendMessages(grpc::CallbackServerContext* context,
                                           const v1::AppendMessagesRequest* request,
                                           v1::AppendMessagesResponse* response) override;
  grpc::ServerUnaryReactor* SetNotes(grpc::CallbackServerContext* context, const v1::SetNotesRequest* request,
                                     v1::SetNotesResponse* response) override;
  grpc::ServerUnaryReactor* PinTurn(grpc::CallbackServerContext* context, const v1::PinTurnRequest* request,
                                    v1::PinTurnResponse* response) override;
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context, const v1::GetModelRequest* request,
                                     v1::GetModelResponse* response) override;
  grpc::ServerUnaryReactor* CountTokens(grpc::CallbackServerContext* context, const v1::CountTokensRequest* request,
                                        v1::CountTokensResponse* response) override;
  grpc::ServerUnaryReactor* GetStats(grpc::CallbackServerContext* context, const v1::GetStatsRequest* request,
                                     v1::GetStatsResponse* response) override;

 private:
  const ServiceParts parts_;
};

}  // namespace perennial

#endif  // PERENNIAL_SERVER_CHAT_SERVICE_H_
