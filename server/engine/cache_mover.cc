#include "server/engine/cache_mover.h"

#include <algorithm>
#include <utility>

#include "absl/types/span.h"
#include "model/check.h"

namespace perennial {

std::vector<CacheSlice> CacheMover::SlicesOf(const LiveSession& source) const {
  if (source.parked != nullptr) return source.parked->slices;
  PERENNIAL_CHECK(source.cache != nullptr);
  return CutSlices(*runner_, *source.cache, ValidSlots(source.window, source.cache->num_notes()), bytes_per_pass_);
}

void CacheMover::Park(LiveSession* session, std::unique_ptr<ParkedBytes> room) {
  PERENNIAL_CHECK(session->cache != nullptr && session->moves == 0);
  Add(Kind::kPark, session, session, nullptr, std::move(room));
}

void CacheMover::Resume(LiveSession* session, std::unique_ptr<KvCache> cache) {
  PERENNIAL_CHECK(session->parked != nullptr && session->moves == 0);
  Add(Kind::kResume, session, session, std::move(cache), nullptr);
}

void CacheMover::Fork(LiveSession* source, LiveSession* session, std::unique_ptr<KvCache> cache,
                      std::unique_ptr<ParkedBytes> room) {
  PERENNIAL_CHECK(session->cache == nullptr && session->parked == nullptr && session->moves == 0);
  ++source->moves;
  Add(Kind::kFork, source, session, std::move(cache), std::move(room));
}

void CacheMover::Add(Kind kind, LiveSession* source, LiveSession* session, std::unique_ptr<KvCache> cache,
                     std::unique_ptr<ParkedBytes> room) {
  PERENNIAL_CHECK((cache == nullptr) != (room == nullptr));
  ++session->moves;
  ++num_begun_;
  moves_.push_back({.kind = kind,
                    .session = session,
                    .source = source,
                    .slices = SlicesOf(*source),
                    .num_notes = source->parked != nullptr ? source->parked->num_notes : source->cache->num_notes(),
                    .cache = std::move(cache),
                    .room = std::move(room)});
  PERENNIAL_CHECK(moves_.back().room == nullptr ||
                  moves_.back().room->size_bytes() == TotalBytes(moves_.back().slices));
}

std::vector<CacheMover::EndedMove> CacheMover::Run(bool& copied) {
  std::vector<EndedMove> ended;
  copied = false;
  int64_t left = bytes_per_pass_;
  for (auto it = moves_.begin(); it != moves_.end();) {
    Move& move = *it;
    absl::Status status;
    while (move.next < move.slices.size()) {
      const CacheSlice& slice = move.slices[move.next];
      if (copied && slice.bytes > left) return ended;
      status = Copy(move, slice);
      if (!status.ok()) break;
      copied = true;
      left -= slice.bytes;
      copied_bytes_ += slice.bytes;
      ++move.next;
    }
    const auto here = it++;
    if (absl::IsUnavailable(status)) continue;  // a store that needs time: the next move may not
    copied = true;
    ended.push_back(End(move, std::move(status)));
    moves_.erase(here);
  }
  return ended;
}

absl::Status CacheMover::Copy(const Move& move, const CacheSlice& slice) {
  buffer_.resize(static_cast<size_t>(slice.bytes));
  const absl::Span<std::byte> bytes = absl::MakeSpan(buffer_);
  const auto& [first_slot, num_slots] = slice.slots;
  const LiveSession& source = *move.source;
  absl::Status status = source.parked != nullptr ? source.parked->bytes->Read(slice.offset, bytes)
                                                 : runner_->Export(*source.cache, first_slot, num_slots, bytes);
  if (!status.ok()) return status;
  if (move.room != nullptr) return move.room->Write(slice.offset, bytes);
  return runner_->Import(*move.cache, first_slot, num_slots, bytes, move.session->window.num_tokens(), move.num_notes);
}

CacheMover::EndedMove CacheMover::End(Move& move, absl::Status status) {
  if (status.ok() && move.cache != nullptr) {
    // Where the stream is now; also where there was nothing to copy, or it was rewound since the last slice.
    status = runner_->Import(*move.cache, 0, 0, {}, move.session->window.num_tokens(), move.num_notes);
  }
  --move.session->moves;
  if (move.kind == Kind::kFork) --move.source->moves;
  if (status.ok()) {
    LiveSession& session = *move.session;
    const bool parked = move.room != nullptr;
    session.cache = std::move(move.cache);
    session.parked.reset();
    if (parked) {
      session.parked =
          std::make_unique<ParkedCache>(ParkedCache{std::move(move.slices), move.num_notes, std::move(move.room)});
    }
  }
  return {move.kind, move.session, move.source, std::move(status)};
}

void CacheMover::Abort(const LiveSession* session) {
  for (auto it = moves_.begin(); it != moves_.end();) {
    const auto here = it++;
    if (here->session != session && here->source != session) continue;
    End(*here, absl::CancelledError("aborted"));
    moves_.erase(here);
  }
}

int64_t CacheMover::coming_free_bytes() const {
  int64_t bytes = 0;
  for (const Move& move : moves_) {
    if (move.kind == Kind::kPark) bytes += move.session->cache->size_bytes();
  }
  return bytes;
}

}  // namespace perennial
