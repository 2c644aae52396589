#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <chrono>

#include "absl/strings/str_cat.h"
#include "tests/client/fake_chat_service.h"

namespace perennial {

grpc::Status FakeChatService::GetModel(grpc::ServerContext* call, const v1::GetModelRequest*,
                                       v1::GetModelResponse* response) {
  NoteRoute(*call);
  response->set_model("fake-model");
  response->set_architecture("fake");
  response->set_runner("fake cpu float32, 1 thread");
  response->set_trained_tokens(8192);
  response->set_api_revision(3);
  response->mutable_defaults()->mutable_sampling()->set_temperature(0.25F);
  response->mutable_defaults()->set_cache_tokens(512);
  response->mutable_limits()->set_max_sessions(40);
  response->mutable_limits()->mutable_max_idle_timeout()->set_seconds(86400);
  absl::MutexLock lock(&mutex_);
  response->mutable_limits()->set_max_note_tokens(sessions_.max_note_tokens());
  response->mutable_limits()->set_transcript_turns(sessions_.keeps_transcript() ? 100 : 0);
  return grpc::Status::OK;
}

grpc::Status FakeChatService::CountTokens(grpc::ServerContext* call, const v1::CountTokensRequest* request,
                                          v1::CountTokensResponse* response) {
  NoteRoute(*call);
  size_t tokens = request->text().size();
  for (const v1::Message& message : request->messages()) tokens += 10 + message.text().size();
  response->set_tokens(static_cast<int64_t>(tokens));
  return grpc::Status::OK;
}

grpc::Status FakeChatService::GetStats(grpc::ServerContext* call, const v1::GetStatsRequest*,
                                       v1::GetStatsResponse* response) {
  NoteRoute(*call);
  absl::MutexLock lock(&mutex_);
  ++stats_calls_;
  if (stats_failures_ > 0) {
    --stats_failures_;
    return stats_failure_;
  }
  v1::Stats& stats = *response->mutable_stats();
  stats.set_sessions(static_cast<int64_t>(sessions_.All().size()));
  stats.set_max_sessions(40);
  stats.set_evicted_tokens(1234567);
  stats.set_steps(4);
  stats.set_step_tokens(10);
  stats.mutable_step_time()->set_seconds(2);
  stats.set_kept_turns(generated_turns_);
  return grpc::Status::OK;
}

FakeChatServer::FakeChatServer() {
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service_);
  server_ = builder.BuildAndStart();
  address_ = absl::StrCat("127.0.0.1:", port);
}

FakeChatServer::~FakeChatServer() { server_->Shutdown(std::chrono::system_clock::now()); }

}  // namespace perennial
