// libFuzzer target: any bytes as a GGUF file. Whatever they are, the reader must answer with a status, within the
// bytes; tensors that it accepts must be convertible. Run by `./dev fuzz`; seeds come from make_seeds.py.

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "model/checkpoint/gguf_checkpoint.h"
#include "model/checkpoint/gguf_reader.h"
#include "tests/fuzz/touch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::Span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  // The container alone gets further than the whole checkpoint, which needs every key and tensor to fit.
  const absl::StatusOr<perennial::GgufFile> file = perennial::ReadGguf(bytes);
  perennial::CheckOneLine(file.status());
  if (!file.ok()) return 0;
  perennial::TouchTensors(bytes, file->tensors);
  perennial::TouchContents(perennial::ReadGgufContents(bytes));
  return 0;
}
