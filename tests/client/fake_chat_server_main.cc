// A FakeChatService as a program of its own, for tests that need a server to die. Prints its address on a line, then
// serves until it is killed. A message that contains "hang" is answered with "thinking" and no end.

#include <unistd.h>

#include <iostream>
#include <string>

#include "tests/client/fake_chat_service.h"

int main() {
  perennial::FakeChatServer server;
  server.service().SetOnChat([](const perennial::v1::ChatRequest& request) {
    perennial::FakeTurn turn;
    turn.events = {perennial::StartedEvent(20)};
    if (request.message().find("hang") != std::string::npos) {
      turn.events.push_back(perennial::DeltaEvent("thinking"));
      turn.end.reset();
    } else {
      turn.events.push_back(perennial::DeltaEvent("echo: " + request.message()));
      turn.events.push_back(perennial::FinishedEvent());
    }
    return turn;
  });
  std::cout << server.address() << std::endl;
  while (true) pause();
}
