#include "model/torch/step_tensors.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>

#include <utility>

namespace perennial {
namespace {

at::Tensor ToDevice(const std::vector<int64_t>& values, at::Device device) {
  return at::tensor(values, at::kLong).to(device);
}

struct Angles {
  at::Tensor cosines, sines;
};

Angles MakeAngles(const std::vector<int64_t>& positions, const RopeFrequencies& frequencies, at::Device device) {
  const int64_t rows = static_cast<int64_t>(positions.size());
  const int64_t pairs = static_cast<int64_t>(frequencies.radians_per_token.size());
  Angles angles = {at::empty({rows, 1, pairs}, at::kFloat), at::empty({rows, 1, pairs}, at::kFloat)};
  const size_t count = static_cast<size_t>(rows * pairs);
  ComputeRopeAngles(frequencies, positions, absl::MakeSpan(angles.cosines.data_ptr<float>(), count),
                    absl::MakeSpan(angles.sines.data_ptr<float>(), count));
  return {angles.cosines.to(device), angles.sines.to(device)};
}

// Collects the writes of all inputs; makes tensors of them at the end.
struct WriteLists {
  std::vector<int64_t> step_rows, pool_rows;

  void Add(const std::vector<AttentionPlan::Write>& writes, int64_t first_row, const CacheBlocks& blocks) {
    for (const AttentionPlan::Write& write : writes) {
      step_rows.push_back(first_row + write.row);
      pool_rows.push_back(blocks.RowOf(write.slot));
    }
  }

  CacheWrites Finish(int64_t all_rows, at::Device device) const {
    CacheWrites writes;
    writes.count = static_cast<int64_t>(pool_rows.size());
    if (writes.count == 0) return writes;
    writes.pool_rows = ToDevice(pool_rows, device);
    if (writes.count != all_rows) writes.step_rows = ToDevice(step_rows, device);
    return writes;
  }
};

AttentionInput MakeAttentionInput(const PlannedInput& input, int64_t first_row, at::Device device) {
  const AttentionPlan& plan = input.plan;
  AttentionInput result;
  result.first_row = first_row;
  result.num_rows = plan.num_rows();
  result.first_own_row = plan.first_own_row;
  result.num_keys = plan.num_keys();
  for (const KeyRun& run : plan.runs) {
    KeyRows rows;
    rows.num_rows = run.num_slots;
    rows.by_place = run.by_place;
    if (input.blocks->IsOneStretch(run.first_slot, run.num_slots)) {
      rows.first_row = input.blocks->RowOf(run.first_slot);
    } else {
      rows.index = input.blocks->RowIndex(run.first_slot, run.num_slots);
    }
    result.runs.push_back(std::move(rows));
  }
  if (!plan.mask.empty()) {
    // from_blob wants a mutable pointer; the copy that follows only reads.
    result.mask = at::from_blob(const_cast<float*>(plan.mask.data()), {result.num_rows, result.num_keys}, at::kFloat)
                      .to(at::TensorOptions(at::kFloat).device(device), /*non_blocking=*/false, /*copy=*/true);
  }
  return result;
}

}  // namespace

StepTensors MakeStepTensors(absl::Span<const PlannedInput> inputs, const RopeFrequencies& frequencies,
                            at::Device device) {
  StepTensors step;
  std::vector<int64_t> tokens, indices, places;
  WriteLists before, after;
  bool needs_places = false;
  for (const PlannedInput& input : inputs) {
    const int64_t first_row = static_cast<int64_t>(tokens.size());
    tokens.insert(tokens.end(), input.tokens.begin(), input.tokens.end());
    indices.insert(indices.end(), input.plan.indices.begin(), input.plan.indices.end());
    places.insert(places.end(), input.plan.places.begin(), input.plan.places.end());
    needs_places |= input.plan.needs_places();
    before.Add(input.plan.writes_before, first_row, *input.blocks);
    after.Add(input.plan.writes_after, first_row, *input.blocks);
    step.inputs.push_back(MakeAttentionInput(input, first_row, device));
  }
  step.tokens = ToDevice(tokens, device);
  Angles by_index = MakeAngles(indices, frequencies, device);
  step.index_cosines = std::move(by_index.cosines);
  step.index_sines = std::move(by_index.sines);
  if (needs_places) {
    Angles by_place = MakeAngles(places, frequencies, device);
    step.place_cosines = std::move(by_place.cosines);
    step.place_sines = std::move(by_place.sines);
  }
  const int64_t all_rows = static_cast<int64_t>(tokens.size());
  step.writes_before = before.Finish(all_rows, device);
  step.writes_after = after.Finish(all_rows, device);
  return step;
}

}  // namespace perennial
