// The answer to GetModel: constant for the server's life.

#ifndef PERENNIAL_SERVER_MODEL_ANSWER_H_
#define PERENNIAL_SERVER_MODEL_ANSWER_H_

#include <cstdint>

#include "perennial/v1/chat_service.pb.h"
#include "server/request_rules.h"
#include "server/service_parts.h"

namespace perennial {

// Model, versions, defaults (after flags and checkpoint) and every limit: what the request checks go by, so that a
// client can know before it asks. Pure; any thread.
v1::GetModelResponse MakeModelAnswer(const ModelFacts& model, const RequestRules& rules, int32_t api_revision);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_MODEL_ANSWER_H_
