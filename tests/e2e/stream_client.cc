// A client to be killed: starts an endless turn in the session argv[2] of the server argv[1] and prints "delta" when
// the reply has begun.

#include <iostream>

#include "tests/e2e/chat_calls.h"

int main(int argc, char* argv[]) {
  if (argc != 3) return 2;
  const auto stub = perennial::Connect(argv[1]);
  perennial::v1::ChatRequest request = perennial::Say(argv[2], "go on");
  request.set_max_tokens(0);
  request.set_ignore_end_of_turn(true);
  perennial::ChatStream chat(*stub, request);
  if (!chat.ReadUntil(perennial::v1::TurnEvent::kDelta)) return 1;
  std::cout << "delta" << std::endl;
  return chat.End().ok() ? 0 : 1;
}
