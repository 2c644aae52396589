#include "model/checkpoint/safetensors_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "model/checkpoint/byte_cursor.h"
#include "model/checkpoint/error_text.h"
#include "model/checkpoint/json_object.h"
#include "model/checkpoint/tensor_size.h"

namespace perennial {
namespace {

using nlohmann::json;

constexpr size_t kMaxIndexBytes = 32 << 20;
constexpr size_t kMaxDimensions = 8;

std::optional<TensorType> TypeFromName(absl::string_view name) {
  if (name == "F32") return TensorType::kF32;
  if (name == "F16") return TensorType::kF16;
  if (name == "BF16") return TensorType::kBF16;
  return std::nullopt;
}

// What the header says about one tensor.
struct TensorEntry {
  TensorView view;
  uint64_t begin = 0;  // in the tensor bytes
  uint64_t end = 0;
  bool left_out = false;  // of a type that we do not read, and not needed
};

absl::Status ReadEntry(const JsonObject& fields, const json& description, uint64_t num_bytes, bool is_needed,
                       TensorEntry& entry) {
  const absl::StatusOr<std::vector<int64_t>> shape = fields.FindIntegers("shape", 0, kMaxTensorElements);
  if (!shape.ok()) return shape.status();
  const absl::StatusOr<std::vector<int64_t>> offsets =
      fields.FindIntegers("data_offsets", 0, static_cast<int64_t>(num_bytes));
  if (!offsets.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(offsets.status().message(), ", the number of tensor bytes in the file; it may be truncated"));
  }
  if (offsets->size() != 2 || (*offsets)[0] > (*offsets)[1]) {
    return fields.Wrong("data_offsets", "is not [begin, end]");
  }
  entry.begin = static_cast<uint64_t>((*offsets)[0]);
  entry.end = static_cast<uint64_t>((*offsets)[1]);
  const absl::StatusOr<std::optional<std::string>> dtype = fields.FindString("dtype");
  if (!dtype.ok()) return dtype.status();
  if (!dtype->has_value()) return fields.Wrong("dtype", "is missing");

  const std::optional<TensorType> type = TypeFromName(**dtype);
  entry.left_out = !type.has_value() && !is_needed;
  if (entry.left_out) return absl::OkStatus();
  if (!type.has_value()) {
    return absl::UnimplementedError(
        absl::StrCat("has element type ", Quoted(**dtype), "; supported in safetensors are F32, F16 and BF16"));
  }
  if (!description.contains("shape") || !description["shape"].is_array() || shape->size() > kMaxDimensions) {
    return fields.Wrong("shape", absl::StrCat("is not a list of at most ", kMaxDimensions, " sizes"));
  }
  entry.view.type = *type;
  entry.view.shape = *shape;
  const absl::StatusOr<uint64_t> needed = TensorBytes(*type, *shape);
  if (!needed.ok()) return needed.status();
  if (*needed != entry.end - entry.begin) {
    return absl::InvalidArgumentError(absl::StrCat("has shape ", ShapeText(*shape), " in ", **dtype, ", which is ",
                                                   *needed, " bytes, but data_offsets of ", entry.end - entry.begin));
  }
  return absl::OkStatus();
}

bool EndsLikeOneOf(absl::string_view name, absl::Span<const absl::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(),
                     [name](absl::string_view ending) { return absl::EndsWith(name, ending); });
}

// Sorted by offset; neighbours must touch, and the last one must end with the file.
absl::Status CheckPlacement(std::vector<TensorEntry>& entries, uint64_t num_bytes) {
  std::sort(entries.begin(), entries.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::tie(a.begin, a.end, a.view.name) < std::tie(b.begin, b.end, b.view.name);
  });
  uint64_t expected = 0;
  for (const TensorEntry& entry : entries) {
    if (entry.begin != expected) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", Quoted(entry.view.name), " begins at ", entry.begin,
                       entry.begin < expected ? ", inside the tensor before it" : ", after a gap: the tensor before it",
                       " ends at ", expected));
    }
    expected = entry.end;
  }
  if (expected != num_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensors end at ", expected, ", but the file has ", num_bytes, " bytes of them"));
  }
  return absl::OkStatus();
}

// Printable ASCII without separators: the name may appear in messages, and cannot lead out of the directory.
bool IsPlainFileName(absl::string_view name) {
  return !name.empty() && name.size() <= 255 && name[0] != '.' && absl::EndsWith(name, ".safetensors") &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= ' ' && c <= '~' && c != '/' && c != '\\'; });
}

// Calls `visit(tensor name, file name)` for each entry of the index's weight_map.
absl::Status VisitIndex(absl::string_view index,
                        absl::FunctionRef<absl::Status(const std::string&, const std::string&)> visit) {
  const absl::StatusOr<json> parsed = ParseJsonObject(index, kMaxIndexBytes);
  if (!parsed.ok()) return parsed.status();
  const JsonObject object(*parsed);
  const json* const map = object.Find("weight_map");
  if (map == nullptr || !map->is_object()) return object.Wrong("weight_map", "is missing or not an object");
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string() || !IsPlainFileName(file.get_ref<const std::string&>())) {
      return absl::InvalidArgumentError(
          absl::StrCat("weight_map gives tensor ", Quoted(tensor),
                       " a file that is not named like a .safetensors file in the same directory"));
    }
    if (absl::Status visited = visit(tensor, file.get_ref<const std::string&>()); !visited.ok()) return visited;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<TensorView>> ReadSafetensors(absl::Span<const std::byte> bytes,
                                                        absl::Span<const absl::string_view> unused) {
  ByteCursor cursor(bytes);
  uint64_t header_bytes = 0;
  absl::Span<const std::byte> header;
  if (!cursor.Read(&header_bytes)) return absl::InvalidArgumentError("too short for a safetensors file");
  if (header_bytes > kMaxSafetensorsHeaderBytes) {
    return absl::InvalidArgumentError(absl::StrCat("not a safetensors file: its header would have ", header_bytes,
                                                   " bytes, more than the ", kMaxSafetensorsHeaderBytes, " allowed"));
  }
  if (!cursor.Take(header_bytes, &header)) {
    return absl::InvalidArgumentError(absl::StrCat("the file ends inside its header of ", header_bytes, " bytes"));
  }
  const absl::StatusOr<json> parsed = ParseJsonObject(
      absl::string_view(reinterpret_cast<const char*>(header.data()), header.size()), kMaxSafetensorsHeaderBytes);
  if (!parsed.ok()) return Within("the header", parsed.status());

  const absl::Span<const std::byte> all = bytes.subspan(cursor.position());
  std::vector<TensorEntry> entries;
  for (const auto& [name, description] : parsed->items()) {
    if (name == "__metadata__") continue;
    const std::string where = absl::StrCat("tensor ", Quoted(name));
    if (!description.is_object()) return absl::InvalidArgumentError(absl::StrCat(where, " is not an object"));
    TensorEntry entry;
    entry.view.name = name;
    const bool is_needed = !EndsLikeOneOf(name, unused);
    absl::Status read = ReadEntry(JsonObject(description), description, all.size(), is_needed, entry);
    if (!read.ok()) return Within(where, read);
    entries.push_back(std::move(entry));
  }
  if (absl::Status placed = CheckPlacement(entries, all.size()); !placed.ok()) return placed;
  std::vector<TensorView> tensors;
  for (TensorEntry& entry : entries) {
    if (entry.left_out) continue;
    entry.view.bytes = all.subspan(entry.begin, entry.end - entry.begin);
    tensors.push_back(std::move(entry.view));
  }
  return tensors;
}

absl::StatusOr<std::vector<std::string>> ListShards(absl::string_view index) {
  absl::btree_set<std::string> shards;
  absl::Status visited = VisitIndex(index, [&shards](const std::string&, const std::string& file) {
    shards.insert(file);
    return absl::OkStatus();
  });
  if (!visited.ok()) return visited;
  if (shards.empty()) return absl::InvalidArgumentError("weight_map is empty");
  return std::vector<std::string>(shards.begin(), shards.end());
}

absl::Status CheckIndex(absl::string_view index, absl::Span<const std::string> shards,
                        absl::Span<const std::vector<TensorView>> tensors_of_shards,
                        absl::Span<const absl::string_view> unused) {
  std::vector<absl::flat_hash_set<absl::string_view>> names(shards.size());
  for (size_t i = 0; i < shards.size(); ++i) {
    for (const TensorView& tensor : tensors_of_shards[i]) names[i].insert(tensor.name);
  }
  return VisitIndex(index, [&](const std::string& tensor, const std::string& file) {
    const auto shard = std::find(shards.begin(), shards.end(), file);
    if (EndsLikeOneOf(tensor, unused)) return absl::OkStatus();
    if (shard != shards.end() && names[shard - shards.begin()].contains(tensor)) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("weight_map promises tensor ", Quoted(tensor), " in ", Quoted(file), ", which does not have it"));
  });
}

}  // namespace perennial
