// What a session remembers, as people read it: the horizon, the notes, the texts.

#ifndef PERENNIAL_CLIENT_COMMAND_HORIZON_TEXT_H_
#define PERENNIAL_CLIENT_COMMAND_HORIZON_TEXT_H_

#include <string>
#include <vector>

#include "perennial/v1/chat_service.pb.h"

namespace perennial {

// A line per fact: which turns are remembered, how full the window is, what is pinned, noted and forgotten.
//   remembers  turn 12 (not its beginning) to turn 14
//   window     ████████████████░░░░  412 of 508 tokens
//   …
std::string HorizonText(const v1::Session& session);

// "The window holds 412 of 508 tokens".
std::string WindowText(const v1::SessionMemory& memory);

// How much of the note budget is used, the pinned turns, the text.
std::string NotesText(const v1::Notes& notes);

// The turns' texts, each with its number and whether it is forgotten.
std::string TranscriptText(const std::vector<v1::TranscriptTurn>& turns);

// "── memory now begins at turn 7 ──": the mark where an evicted event comes.
std::string MemoryMark(const v1::Evicted& evicted);

// "── 60 more tokens, and turns 1–2 are forgotten; /note keeps what must stay ──".
std::string MemoryWarning(const v1::WillEvict& will_evict);

}  // namespace perennial

#endif  // PERENNIAL_CLIENT_COMMAND_HORIZON_TEXT_H_
