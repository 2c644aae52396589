#include "model/torch/step_tensors.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>

#include <utility>

#include "model/check.h"

namespace perennial {
namespace {

at::Tensor ToDevice(const std::vector<int64_t>& values, at::Device device) {
  return at::tensor(values, at::kLong).to(device);
}

struct Angles {
  at::Tensor cosines, sines;
};

// `positions`: those of all inputs' rows, in their order.
Angles MakeAngles(absl::Span<const PlannedInput> inputs, absl::Span<const int64_t> positions,
                  const RopeFrequencies& frequencies, at::Device device) {
  const int64_t rows = static_cast<int64_t>(positions.size());
  const size_t pairs = frequencies.radians_per_token.size();
  const int64_t columns = static_cast<int64_t>(pairs);
  Angles angles = {at::empty({rows, 1, columns}, at::kFloat), at::empty({rows, 1, columns}, at::kFloat)};
  float* cosines = angles.cosines.data_ptr<float>();
  float* sines = angles.sines.data_ptr<float>();
  for (const PlannedInput& input : inputs) {
    const size_t count = input.tokens.size();
    ComputeRopeAngles(frequencies, input.cache_slots, positions.subspan(0, count),
                      absl::MakeSpan(cosines, count * pairs), absl::MakeSpan(sines, count * pairs));
    positions.remove_prefix(count);
    cosines += count * pairs;
    sines += count * pairs;
  }
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

// [rows, columns] on the device. from_blob wants a mutable pointer; the copy that follows only reads.
at::Tensor MatrixToDevice(const std::vector<float>& values, int64_t rows, int64_t columns, at::Device device) {
  return at::from_blob(const_cast<float*>(values.data()), {rows, columns}, at::kFloat)
      .to(at::TensorOptions(at::kFloat).device(device), /*non_blocking=*/false, /*copy=*/true);
}

AttentionInput MakeAttentionInput(const CacheBlocks& blocks, const AttentionPlan& plan, int64_t first_row,
                                  at::Device device) {
  AttentionInput result;
  result.first_row = first_row;
  result.num_rows = plan.num_rows();
  result.first_own_row = plan.first_own_row;
  result.num_keys = plan.num_keys();
  for (const KeyRun& run : plan.runs) {
    KeyRows rows;
    rows.num_rows = run.num_slots;
    rows.by_place = run.by_place;
    if (blocks.IsOneStretch(run.first_slot, run.num_slots)) {
      rows.first_row = blocks.RowOf(run.first_slot);
    } else {
      rows.index = blocks.RowIndex(run.first_slot, run.num_slots);
    }
    result.runs.push_back(std::move(rows));
  }
  if (!plan.mask.empty()) result.mask = MatrixToDevice(plan.mask, result.num_rows, result.num_keys, device);
  if (!plan.distances.empty()) {
    result.distances = MatrixToDevice(plan.distances, result.num_rows, result.num_keys, device);
  }
  return result;
}

}  // namespace

StepTensors MakeStepTensors(absl::Span<const PlannedInput> inputs, absl::Span<const RopeFrequencies> ropes,
                            at::Device device) {
  StepTensors step;
  step.inputs.resize(inputs.front().plans.size());
  std::vector<int64_t> tokens, indices, places;
  WriteLists before, after;
  for (const PlannedInput& input : inputs) {
    const int64_t first_row = static_cast<int64_t>(tokens.size());
    const AttentionPlan& any = input.plans.front();
    tokens.insert(tokens.end(), input.tokens.begin(), input.tokens.end());
    indices.insert(indices.end(), any.indices.begin(), any.indices.end());
    places.insert(places.end(), any.places.begin(), any.places.end());
    before.Add(any.writes_before, first_row, *input.blocks);
    after.Add(any.writes_after, first_row, *input.blocks);
    PERENNIAL_CHECK(input.plans.size() == step.inputs.size());
    for (size_t view = 0; view < input.plans.size(); ++view) {
      step.needs_places |= input.plans[view].needs_places();
      step.inputs[view].push_back(MakeAttentionInput(*input.blocks, input.plans[view], first_row, device));
    }
  }
  step.tokens = ToDevice(tokens, device);
  for (const RopeFrequencies& frequencies : ropes) {
    StepRotation rotation;
    Angles by_index = MakeAngles(inputs, indices, frequencies, device);
    rotation.index_cosines = std::move(by_index.cosines);
    rotation.index_sines = std::move(by_index.sines);
    if (step.needs_places) {
      Angles by_place = MakeAngles(inputs, places, frequencies, device);
      rotation.place_cosines = std::move(by_place.cosines);
      rotation.place_sines = std::move(by_place.sines);
    }
    step.rotations.push_back(std::move(rotation));
  }
  const int64_t all_rows = static_cast<int64_t>(tokens.size());
  step.writes_before = before.Finish(all_rows, device);
  step.writes_after = after.Finish(all_rows, device);
  return step;
}

}  // namespace perennial
