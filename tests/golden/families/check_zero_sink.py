"""The zero sink of float64_network.py against transformers: GPT-OSS's attention, with one more logit in its softmax.

Usage: check_zero_sink.py     prints the largest difference over llama2's prompt

That logit is learnt in GPT-OSS; at zero it adds exp(0) = 1 to the denominator. A Llama is run with that attention.
"""

import numpy as np
import torch
import transformers
from float64_network import Network
from make_family_logits import load, merge
from make_family_sink_window import Stream, read_case
from transformers.models.gpt_oss.modeling_gpt_oss import eager_attention_forward


def main():
    torch.set_grad_enabled(False)
    golden = read_case("llama2")
    transformers.logging.disable_progress_bar()
    transformers.AttentionInterface.register("with_sinks", eager_attention_forward)
    transformers.AttentionMaskInterface.register("with_sinks", transformers.masking_utils.eager_mask)
    model = load(golden["config"], golden["tensors"])
    for layer in model.model.layers:
        layer.self_attn.sinks = torch.zeros(golden["config"]["num_attention_heads"])
    prompt = golden["prompt"]["feed"]
    plain = model(torch.tensor([prompt])).logits[0]
    model.set_attn_implementation("with_sinks")
    expected = model(torch.tensor([prompt])).logits[0].double().numpy()
    stream = Stream(Network(merge(golden["config"], dict(zero_sink=True)), golden["tensors"]), 0)
    logits = np.stack([stream.feed(token, 0) for token in prompt])
    print(f"zero sink: {np.abs(logits - expected).max():.1e} from GPT-OSS's attention, "
          f"{np.abs(logits - plain.numpy()).max():.1e} from plain attention")


if __name__ == "__main__":
    main()
